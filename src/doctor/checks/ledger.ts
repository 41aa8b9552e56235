import { setImmediate as turn } from 'node:timers/promises';
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
  async run({ settings, configFile, state }) {
    const how = 'restore a backup with --keep-revocations-from this directory: docs/backup.md';
    if ('problem' in state) return [{ level: 'error', what: state.problem, how }];
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
