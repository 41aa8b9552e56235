import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import packageFile from '../../../package.json' with { type: 'json' };
import { dataDirectory } from '../../contract/data-directory.ts';
import type { Settings } from '../../contract/settings.ts';
import { detectionsWorker } from '../../flow/spool/chain.ts';
import type { FlowStream } from '../../flow/spool/chain.ts';
import { shareKept } from '../../flow/kept/share-kept.ts';
import { retentionDaysOf } from '../../flow/retention.ts';
import type { LedgerStore } from '../../ledger/store.ts';
import { openAccessLog } from './access-log.ts';
import type { AccessLog } from './access-log.ts';
import { startChangeRecords } from './record-changes.ts';
import { createNewestLives } from '../newest-lives.ts';
import { loadCheckpointKey, startRecordCheckpoints } from './record-checkpoints.ts';
import { retireRecords } from './record-retention.ts';
import type { RecordRetention } from './record-retention.ts';

/** What the control process does for the records of its server: signs how far they are, writes its own, ends old ones. */
export interface ServerRecords {
  /** Absent without an API: nobody reads here. */
  readonly accessLog: AccessLog | undefined;
  /** For how long the records of the longest-kept class stay, in milliseconds. */
  readonly longestKeptMs: number;
  /** Removes what has had its time. `at` in epoch milliseconds. @throws what the file system throws */
  retire(at: number): Promise<void>;
}

const dayMs = 86_400_000;

/** @throws KeyFileError, and what the file system throws */
export async function openServerRecords(options: {
  /** The data directory. */
  readonly data: string;
  readonly settings: Settings;
  readonly bootId: string;
  readonly passphrase: string | undefined;
  readonly hasWorkers: boolean;
  readonly hasApi: boolean;
  readonly store: LedgerStore;
  /** Of a worker of this start. */
  readonly lifeOfWorker: (worker: number) => 'live' | 'gone' | 'unknown';
  /** What records call a user at a time, in epoch milliseconds. */
  readonly nameOf: (user: string, at: number) => Promise<string>;
  readonly onClose: (step: () => Promise<void> | void) => void;
  /** Epoch milliseconds. */
  readonly clock: () => number;
  readonly logger: FastifyBaseLogger;
}): Promise<ServerRecords> {
  const { data, settings, bootId, store, lifeOfWorker, onClose, clock, logger } = options;
  const key = await loadCheckpointKey(data, options.passphrase);
  const lifeOfDetections = createNewestLives();
  const flows = options.hasWorkers
    ? await startRecordCheckpoints({
        data,
        records: 'flows',
        key,
        lifeOf(stream) {
          if (stream.bootId !== bootId) return 'unknown';
          return stream.worker === detectionsWorker ? lifeOfDetections(stream) : lifeOfWorker(stream.worker);
        },
        clock,
        logger,
      })
    : undefined;
  if (flows !== undefined) onClose(() => flows.close());
  const access = options.hasApi ? await openAccess() : undefined;

  const days = retentionDaysOf(settings);
  // Where workers run as another user, this process is root.
  const readers = process.getuid?.() === 0 ? settings.runAs?.gid : undefined;
  if (readers !== undefined) await shareKept(join(data, dataDirectory.keptRecords), readers);
  const retention: RecordRetention = {
    data,
    days,
    ...(readers === undefined ? {} : { readers }),
    gateway: settings.gateway.name,
    flows:
      flows === undefined
        ? undefined
        : {
            checkpointer: flows,
            isWritten: (stream) => stream.bootId === bootId && lifeOfWorker(stream.worker) !== 'gone',
          },
    access,
    logger,
  };
  return {
    accessLog: access?.log,
    longestKeptMs: Math.max(days.flows, days.security, days.administration) * dayMs,
    retire: (at) => retireRecords(retention, at),
  };

  async function openAccess(): Promise<NonNullable<RecordRetention['access']>> {
    const directory = join(data, dataDirectory.accessLog);
    // A server that is added to others begins without one.
    await mkdir(directory, { recursive: true, mode: 0o700 });
    let written: FlowStream | undefined;
    const checkpointer = await startRecordCheckpoints({
      data,
      records: 'access',
      key,
      lifeOf: (stream) =>
        stream.bootId === bootId && stream.startedAt === written?.startedAt ? 'live' : 'unknown',
      clock,
      logger,
    });
    // After the log, which says at its end that it is over.
    onClose(() => checkpointer.close());
    const log = openAccessLog({
      directory,
      origin: { productVersion: packageFile.version, domain: store.state.domain },
      bootId,
      onFailure: (error) => logger.error({ err: error }, 'access log not written'),
    });
    written = log.stream;
    onClose(() => log.close());
    const { nameOf } = options;
    const changes = await startChangeRecords({ directory, store, accessLog: log, nameOf, logger });
    onClose(() => changes.close());
    return { checkpointer, log };
  }
}
