import { openLedger } from '../control/store/open-ledger.ts';
import { LedgerCorrupt, LedgerUnavailable } from '../ledger/ledger.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { CliError, exitCodes } from './cli-error.ts';
import { readSettings } from './read-settings.ts';

/** Does work on the ledger that the settings name, and closes it; what is wrong with it becomes an exit code. */
export async function withLedger<Value>(
  configFile: string,
  work: (ledger: Ledger) => Promise<Value>,
): Promise<Value> {
  const settings = readSettings(configFile);
  try {
    const ledger = openLedger(settings, configFile);
    try {
      return await work(ledger);
    } finally {
      await ledger.close();
    }
  } catch (error) {
    if (error instanceof LedgerCorrupt) throw new CliError(exitCodes.no, error.message);
    if (error instanceof LedgerUnavailable) throw new CliError(exitCodes.unreachable, error.message);
    throw error;
  }
}
