import type { ControlEvent, LedgerEntry } from '../domain/events.ts';
import { controlWorker } from './spool/chain.ts';
import type { FlowStream } from './spool/chain.ts';
import { formatAccess } from './record/access-record.ts';
import type { Access } from './record/access-record.ts';
import type { Origin, Place } from './record/envelope.ts';
import { formatChange } from './record/change-record.ts';
import { createChainWriter } from './spool/chain-writer.ts';
import { openSpool } from './spool/spool.ts';

export interface AccessRecorderOptions {
  /** Exists, and nobody but this process's user may enter it. */
  readonly directory: string;
  readonly origin: Origin;
  readonly bootId: string;
  /** Epoch milliseconds. */
  readonly now?: () => number;
  /** How long an answer waits for the disk. */
  readonly timeoutMs?: number;
  readonly segmentBytes?: number;
  /** How long one file is written to; a day without it, so that old records can go by whole files. */
  readonly segmentMs?: number;
  readonly onFailure?: (error: Error) => void;
}

export interface AccessRecorder {
  readonly stream: FlowStream;
  /**
   * True when the record is on the disk: what it speaks of may be shown. False when the disk takes nothing; the record
   * may be written all the same, once it does.
   */
  record(access: Access): Promise<boolean>;
  /** The same of a change that is in the ledger. `user`: what the record calls whom it is about. */
  recordChange(entry: LedgerEntry, event: ControlEvent, user: string | undefined): Promise<boolean>;
  healthy(): boolean;
  /** Writes and syncs what is left. */
  close(): void;
}

/**
 * Records who read what, and what was changed, as chained OCSF lines, in the files and the chain that flow records have, so that one proof covers
 * both. @throws what the file system throws, when the directory cannot be written at the start.
 */
export function createAccessRecorder(options: AccessRecorderOptions): AccessRecorder {
  const { directory, origin, bootId, now = Date.now, timeoutMs = 5000, segmentBytes, onFailure } = options;
  const { segmentMs = 86_400_000 } = options;
  const spool = openSpool({
    directory,
    stream: { worker: controlWorker, startedAt: Math.trunc(now()), bootId },
    segmentMs,
    ...(segmentBytes === undefined ? {} : { segmentBytes }),
    onFailure(error) {
      for (const give of [...waiting]) give(false);
      onFailure?.(error);
    },
  });
  /** Who waits for the disk. */
  const waiting = new Set<(isWritten: boolean) => void>();
  const chain = { boot: bootId, worker: controlWorker, workerStartedAt: spool.stream.startedAt };
  const records = createChainWriter(spool, now);

  function record(format: (place: Place) => string): Promise<boolean> {
    if (!spool.isHealthy) {
      records.giveUp();
      return Promise.resolve(false);
    }
    if (records.write(format) === 0) return Promise.resolve(false);
    return new Promise((resolve) => {
      const give = (isWritten: boolean): void => {
        clearTimeout(timer);
        waiting.delete(give);
        resolve(isWritten);
      };
      const timer = setTimeout(give, timeoutMs, false);
      waiting.add(give);
      spool.whenSynced(() => give(true));
    });
  }

  return {
    stream: spool.stream,
    record: (access) => record((place) => formatAccess(access, place, origin, chain)),
    recordChange: (entry, event, user) =>
      record((place) => formatChange(entry, { event, user }, place, origin, chain)),
    healthy: () => spool.isHealthy,
    close: () => spool.close(),
  };
}
