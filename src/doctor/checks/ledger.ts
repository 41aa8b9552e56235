import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { dataDirectory } from '../../contract/data-directory.ts';
import { openLedger } from '../../control/store/open-ledger.ts';
import { genesisHead } from '../../ledger/chain.ts';
import { isMendable, LedgerCorrupt, LedgerUnavailable } from '../../ledger/ledger.ts';
import type { Ledger, LedgerExtent } from '../../ledger/ledger.ts';
import { ledgerKey } from '../../ledger/redis/redis-ledger.ts';
import { findGap } from '../../ledger/replica/gap.ts';
import { countLostEntries } from '../../ledger/replica/lost-entries.ts';
import type { DoctorFacts } from '../facts.ts';
import type { Check, Finding } from '../finding.ts';
import { ok, unknown } from '../finding.ts';

const budgetMs = 15_000;

/** Follows the ledger's chain of hashes from its first entry, as far as time allows, and compares its end with the head. */
export const ledgerCheck: Check = {
  name: 'ledger',
  limitMs: budgetMs + 15_000,
  async run(facts) {
    const lost = countLostEntries(join(facts.directory, dataDirectory.lostEntries));
    const chain = await followChain(facts);
    if (lost === 0) return chain;
    const waiting: Finding = {
      level: 'warning',
      what: `Redis went on without changes that it had acknowledged: ${lost} files of them wait for a person`,
      how: 'postern ledger recover shows them, makes them again, and settles them',
    };
    return chain.some(({ level }) => level !== 'ok') ? [...chain, waiting] : [waiting];
  },
};

async function followChain(facts: DoctorFacts): Promise<readonly Finding[]> {
  const { settings, configFile, directory, state } = facts;
  const damaged = (what: string): readonly Finding[] => [{ level: 'error', what, how: wayBack(facts) }];
  const extent = await readExtent(facts);
  // Known at once, however long the ledger is.
  const gap = extent && findGap(extent);
  if (gap !== undefined) {
    const what = `Redis has lost ${gap.what} of the ledger, and kept what came after`;
    return [{ level: 'error', what, how: refill(facts) }];
  }
  if ('problem' in state) {
    const { problem, isCorrupt } = state;
    if (isCorrupt) return damaged(problem);
    if (isInRedis(facts))
      return unknown(problem, 'see the line `redis`; servers go on by what each has on its own disk');
    if (!existsSync(join(directory, dataDirectory.ledger))) return damaged(problem);
    return unknown(problem, 'run postern doctor as root, or as the user that serves');
  }
  if (state.head.sequence === 0) return damaged('the ledger is empty');
  const ledger = openLedger(settings, configFile, { vouchedFor: state.head });
  try {
    const found = await followAll(ledger);
    return extent !== undefined && extent.count === undefined ? [...found, uncounted] : found;
  } catch (error) {
    if (error instanceof LedgerCorrupt) return damaged(error.message);
    throw error;
  } finally {
    await ledger.close();
  }
}

/** Undefined for an embedded ledger, and for a Redis that cannot be asked or holds what is not ours: others say so. */
async function readExtent({ settings, configFile }: DoctorFacts): Promise<LedgerExtent | undefined> {
  try {
    const ledger = openLedger(settings, configFile);
    try {
      return isMendable(ledger) ? await ledger.extent() : undefined;
    } finally {
      await ledger.close();
    }
  } catch (error) {
    if (error instanceof LedgerUnavailable || error instanceof LedgerCorrupt) return undefined;
    throw error;
  }
}

const uncounted: Finding = {
  level: 'warning',
  what: 'Redis does not let our user count the entries (XLEN): no server notices when some are missing in the middle',
  how: 'add +xlen +rename to its access rules: docs/redis.md',
};

async function followAll(ledger: Ledger): Promise<readonly Finding[]> {
  const { sequence } = await ledger.head();
  const endsAt = performance.now() + budgetMs;
  let head = genesisHead;
  for await (const entry of ledger.read(0)) {
    head = entry;
    if (entry.sequence % 1000 !== 0) continue;
    // Other checks want their turn.
    await turn();
    if (performance.now() > endsAt)
      return unknown(
        `whole as far as entry ${head.sequence} of ${sequence}; there was no time for more`,
        'postern ledger verify reads all of it',
      );
  }
  return ok(`whole: ${head.sequence} entries, the last with hash ${head.hash.slice(0, 16)}…`);
}

const isInRedis = ({ settings: { ledger } }: DoctorFacts): boolean =>
  ledger !== undefined && 'redis' in ledger;

/**
 * A Redis that is empty, or has lost any part, is filled by any server that has seen the ledger. One that holds something
 * else is followed by none and overwritten by none: that must be moved away first, and stays for whoever wants to know
 * what happened.
 */
function wayBack(facts: DoctorFacts): string {
  const { ledger } = facts.settings;
  if (ledger === undefined || !('redis' in ledger))
    return 'restore a backup with --keep-revocations-from this directory: docs/backup.md';
  const isShort = !('problem' in facts.state) || facts.state.problem.includes('as its snapshot');
  const isFollowed = facts.server?.troubles.includes('ledger corrupt') !== true;
  if (isShort && isFollowed) return refill(facts);
  const key = ledgerKey(ledger.redis.prefix);
  return `move it away, redis-cli RENAME '${key}' '${key}-damaged', and then ${refill(facts)}`;
}

const refill = ({ directory }: DoctorFacts): string =>
  `${
    existsSync(join(directory, dataDirectory.replica))
      ? 'let postern run on this server: it gives Redis back what it has on its disk'
      : `let postern run on a server that has ${dataDirectory.replica} in its data directory: it gives Redis back what it has`
  }; where no server has it, restore a backup: docs/backup.md`;
