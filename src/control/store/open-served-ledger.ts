import { readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { dataDirectory } from '../../contract/data-directory.ts';
import type { Settings } from '../../contract/settings.ts';
import type { LedgerHead } from '../../domain/control-state.ts';
import { replaceFile } from '../../ledger/durable-file.ts';
import { LedgerCorrupt, LedgerUnavailable } from '../../ledger/ledger.ts';
import type { Ledger } from '../../ledger/ledger.ts';
import { readRedisAddress } from '../../ledger/redis/redis-address.ts';
import { openRedisLedger } from '../../ledger/redis/redis-ledger.ts';
import { openReplica } from '../../ledger/replica/replica.ts';
import { openReplicatedLedger } from '../../ledger/replica/replicated-ledger.ts';
import type { Recovery } from '../../ledger/replica/recover.ts';
import type { StoreProblem } from '../../ledger/store.ts';
import { dataPathOf } from './open-data-directory.ts';
import { openLedger } from './open-ledger.ts';

/**
 * How old the knowledge may be that a server starts with while the store is away. Its peers that went on serving know no
 * more; but what was off for longer may have slept over a revocation.
 */
const maxReplicaAgeMs = 24 * 3_600_000;
/** How often it is noted on disk that the replica is what the store has. */
const noteEveryMs = 60_000;

export interface ServedLedgerOptions {
  readonly settings: Pick<Settings, 'data' | 'ledger'>;
  readonly configFile: string;
  readonly snapshotPath: string;
  readonly vouchedFor: LedgerHead | undefined;
  readonly clock: () => number;
  readonly onProblem: (problem: StoreProblem, error: Error) => void;
  readonly onInStep: () => void;
}

/**
 * The ledger that a server folds and follows: the embedded one, or a replica of that in Redis.
 * @throws LedgerCorrupt, LedgerUnavailable: also where Redis is away and what this server knows is too old, or where
 * Redis has no ledger at all.
 */
export async function openServedLedger(options: ServedLedgerOptions): Promise<Ledger> {
  const { settings, configFile, snapshotPath, vouchedFor, clock, onProblem } = options;
  const known = vouchedFor === undefined ? {} : { vouchedFor };
  if (settings.ledger === undefined || 'embedded' in settings.ledger)
    return openLedger(settings, configFile, known);

  const address = readRedisAddress(settings.ledger.redis, dirname(configFile));
  const data = dataPathOf(configFile, settings.data);
  const path = join(data, dataDirectory.replica);
  const inStepFile = `${path}.in-step`;
  let trouble: Error | undefined;
  let notedAt = Number.NEGATIVE_INFINITY;
  const replica = openReplica(path, vouchedFor);
  const knownUntil = readTime(inStepFile);
  const ledger = await openReplicatedLedger({
    openStore: (onConfirmed) => openRedisLedger(address, { now: clock, onConfirmed }),
    replica,
    lostDirectory: join(data, dataDirectory.lostEntries),
    beforeRebase: () => rmSync(snapshotPath, { force: true }),
    onRecovery: (recovery) =>
      onProblem(`ledger-${recovery.kind}`, new Error(`${address.name} ${describeRecovery(recovery)}`)),
    onTrouble: (error) => {
      trouble = error;
      onProblem(error instanceof LedgerCorrupt ? 'ledger-not-followed' : 'ledger-unavailable', error);
    },
    onInStep: () => {
      trouble = undefined;
      options.onInStep();
      const now = clock();
      if (now - notedAt < noteEveryMs) return;
      notedAt = now;
      try {
        replaceFile(inStepFile, Buffer.from(`${now}\n`));
      } catch (error) {
        onProblem('snapshot-not-written', error as Error);
      }
    },
  });
  const problem = whyNotToStart();
  if (problem === undefined) return ledger;
  await ledger.close();
  throw problem;

  function whyNotToStart(): LedgerUnavailable | undefined {
    const isEmpty = replica.head().sequence === 0;
    if (trouble === undefined)
      return isEmpty
        ? new LedgerUnavailable(
            `${address.name} has no ledger of the prefix ${address.prefix}: bring it there with \`postern ledger copy\``,
          )
        : undefined;
    if (!isEmpty && clock() - knownUntil <= maxReplicaAgeMs) return undefined;
    const why = isEmpty
      ? 'this server has no replica to start from'
      : `this server has not seen the ledger since ${knownUntil === 0 ? 'it was set up' : new Date(knownUntil).toISOString()}: it does not know who was revoked meanwhile`;
    return new LedgerUnavailable(`${trouble.message}; and ${why}`);
  }
}

function readTime(path: string): number {
  try {
    return Number(/^(\d{1,16})\n$/.exec(readFileSync(path, 'utf8'))?.[1] ?? 0);
  } catch {
    // Never in step, as far as can be told.
    return 0;
  }
}

/** To stand behind the name of the store. */
function describeRecovery(recovery: Recovery): string {
  switch (recovery.kind) {
    case 'mended':
      return `had lost ${recovery.what}, and kept what came after; all was given back as it was`;
    case 'holed':
      return `has lost ${recovery.what}, and kept what came after; it could not be given back, which is tried again every minute (${recovery.reason})`;
    case 'rewound':
      return `had lost ${recovery.lostEntries} acknowledged entries after entry ${recovery.ancestor}; they were given back as they were`;
    case 'forked':
      return `went on after entry ${recovery.ancestor} without ${recovery.lostEntries} acknowledged entries; ${recovery.madeAgain} of them, which restrict, were made again; look at all of them with \`postern ledger recover\` (${recovery.keptIn})`;
  }
}
