import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/sqlite-ledger.ts';
import { ledgerContract } from './ledger-contract.ts';

ledgerContract('SQLite', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'postern-ledger-'));
  const handles: Ledger[] = [];
  return {
    async open() {
      const ledger = openSqliteLedger(join(directory, 'ledger.db'), { create: true });
      handles.push(ledger);
      return ledger;
    },
    async dispose() {
      for (const handle of handles) await handle.close();
      rmSync(directory, { recursive: true });
    },
  };
});
