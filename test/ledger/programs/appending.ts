import { LedgerConflict } from '../../../src/ledger/ledger.ts';
import { openSqliteLedger } from '../../../src/ledger/sqlite/sqlite-ledger.ts';
import { networkPut } from '../samples.ts';

/** Appends to the ledger of argument 1 as fast as it can, and prints each entry once it is acknowledged. */
const ledger = openSqliteLedger(process.argv[2] ?? '');
for (let i = 0; ; i += 1) {
  try {
    const [entry] = await ledger.append((await ledger.head()).hash, 'other', [networkPut(`n${i}`)]);
    process.stdout.write(`${entry?.sequence} ${entry?.hash}\n`);
  } catch (error) {
    if (!(error instanceof LedgerConflict)) throw error;
  }
}
