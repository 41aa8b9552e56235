import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { dataDirectory } from '../../contract/data-directory.ts';
import type { Settings } from '../../contract/settings.ts';
import { openLedger } from '../../control/open-ledger.ts';
import { genesisHead } from '../../ledger/chain.ts';
import { LedgerCorrupt } from '../../ledger/ledger.ts';
import type { Check } from '../finding.ts';
import { ok, unknown } from '../finding.ts';

const budgetMs = 15_000;

/** Follows the ledger's chain of hashes from its first entry, as far as time allows, and compares its end with the head. */
export const ledgerCheck: Check = {
  name: 'ledger',
  limitMs: budgetMs + 15_000,
  async run({ settings, configFile, directory, state }) {
    const how = 'restore a backup with --keep-revocations-from this directory: docs/backup.md';
    if ('problem' in state) {
      const { problem, isCorrupt } = state;
      if (isCorrupt || isGone(settings, directory)) return [{ level: 'error', what: problem, how }];
      return unknown(problem, 'run postern doctor as root, or as the user that serves');
    }
    const ledger = openLedger(settings, configFile, { vouchedFor: state.head });
    try {
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
    } catch (error) {
      if (error instanceof LedgerCorrupt) return [{ level: 'error', what: error.message, how }];
      throw error;
    } finally {
      await ledger.close();
    }
  },
};

/** A Redis that is away is told by a check of its own. */
const isGone = ({ ledger }: Settings, directory: string): boolean =>
  (ledger === undefined || !('redis' in ledger)) && !existsSync(join(directory, dataDirectory.ledger));
