import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import type { ControlEvent, LedgerEntry } from '../../domain/events.ts';
import { entityActivity } from '../../flow/record/entity-activity.ts';
import { parseFrame } from '../../flow/frames/frame.ts';
import { readLinesBackwards } from '../../flow/read/read-backwards.ts';
import { parseSegmentName } from '../../flow/spool/segment-names.ts';
import { parseEvent } from '../../ledger/event-schema.ts';
import type { LedgerStore } from '../../ledger/store.ts';
import type { AccessLog } from './access-log.ts';

/** Puts every entry of the ledger on record for the SOC, whoever appended it, also those of while this server was down. */
export interface ChangeRecords {
  /** Resolves when all that the ledger has now is recorded, or the disk takes nothing. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

const retryMs = 10_000;
const atOnce = 500;

/**
 * Goes on behind the last entry that is recorded in the directory; the first time it begins with the newest, since what was
 * before is in the ledger. Several control planes of one ledger each record all: the records of one entry bear one id.
 */
export async function startChangeRecords(parts: {
  readonly directory: string;
  readonly store: Pick<LedgerStore, 'state' | 'read' | 'onEntries'>;
  readonly accessLog: Pick<AccessLog, 'recordChange'>;
  /** What records call a user at a time (epoch milliseconds). */
  readonly nameOf?: (user: string, at: number) => Promise<string>;
  readonly logger: FastifyBaseLogger;
}): Promise<ChangeRecords> {
  const { directory, store, accessLog, logger, nameOf = async (user) => user } = parts;
  let recorded = (await lastRecorded(directory)) ?? Math.max(0, store.state.head.sequence - 1);
  let isClosed = false;
  let running: Promise<void> = Promise.resolve();

  const recordAll = async (entries: readonly LedgerEntry[]): Promise<boolean> => {
    const last = entries.at(-1);
    if (last === undefined) return true;
    const changes: { entry: LedgerEntry; event: ControlEvent; user: string | undefined }[] = [];
    for (const entry of entries) {
      const event = parseEvent(entry.data);
      const { user } = entityActivity(event);
      changes.push({ entry, event, user: user === undefined ? undefined : await nameOf(user, entry.at) });
    }
    const written = await Promise.all(
      changes.map(({ entry, event, user }) => accessLog.recordChange(entry, event, user)),
    );
    if (written.includes(false)) return false;
    recorded = last.sequence;
    return true;
  };
  const catchUp = async (): Promise<void> => {
    // The ledger went back to what its store still had.
    recorded = Math.min(recorded, store.state.head.sequence);
    let batch: LedgerEntry[] = [];
    for await (const entry of store.read(recorded)) {
      if (isClosed) return;
      batch.push(entry);
      if (batch.length < atOnce) continue;
      if (!(await recordAll(batch))) return;
      batch = [];
    }
    await recordAll(batch);
  };
  const goOn = (): void => {
    running = running.then(async () => {
      if (isClosed || recorded === store.state.head.sequence) return;
      await catchUp().catch((error: unknown) => logger.error({ err: error }, 'changes not recorded'));
    });
  };
  const stopListening = store.onEntries(goOn);
  const timer = setInterval(goOn, retryMs).unref();
  goOn();
  return {
    settled: () => running,
    async close() {
      stopListening();
      clearInterval(timer);
      await running;
      isClosed = true;
    },
  };
}

/** The number of the entry that was recorded last, by the records themselves. */
async function lastRecorded(directory: string): Promise<number | undefined> {
  const names = (await readdir(directory)).filter((name) => parseSegmentName(name) !== undefined).toSorted();
  for (const name of names.toReversed())
    for await (const { bytes } of readLinesBackwards(join(directory, name))) {
      const line = parseFrame(bytes)?.payload.toString('latin1') ?? '';
      if (!line.startsWith('{"class_uid":3004,')) continue;
      const found = /"entry":([0-9]+)/.exec(line.slice(line.lastIndexOf('"unmapped":')));
      if (found !== null) return Number(found[1]);
    }
  return undefined;
}
