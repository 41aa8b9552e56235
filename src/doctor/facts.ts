import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { dataDirectory } from '../contract/data-directory.ts';
import type { Settings } from '../contract/settings.ts';
import { dataPathOf } from '../control/store/open-data-directory.ts';
import { openLedger } from '../control/store/open-ledger.ts';
import type { ControlState } from '../domain/control-state.ts';
import { LedgerCorrupt } from '../ledger/ledger.ts';
import { loadState } from '../ledger/load-state.ts';
import { readSnapshotHead } from '../ledger/snapshot-file.ts';
import { readServer } from './read-server.ts';
import type { RunningServer } from './read-server.ts';

/** What several checks look at, found out once. */
export interface DoctorFacts {
  readonly configFile: string;
  readonly settings: Settings;
  readonly directory: string;
  /** Undefined where no server of these settings answers. */
  readonly server: RunningServer | undefined;
  /** The fold of the ledger, or why there is none to be had. */
  readonly state: ControlState | { readonly problem: string; readonly isCorrupt: boolean };
  /** Epoch milliseconds. */
  readonly now: number;
}

export async function collectFacts(
  configFile: string,
  settings: Settings,
  now: number,
): Promise<DoctorFacts> {
  const directory = dataPathOf(configFile, settings.data);
  return {
    configFile,
    settings,
    directory,
    server: await findServer(settings, directory),
    state: await readState(configFile, settings, directory),
    now,
  };
}

async function findServer(settings: Settings, directory: string): Promise<RunningServer | undefined> {
  try {
    const rootPem = readFileSync(join(directory, dataDirectory.rootCertificate), 'utf8');
    return await readServer(settings.operator, rootPem);
  } catch {
    // The check of certificates says what is wrong with it.
    return undefined;
  }
}

async function readState(
  configFile: string,
  settings: Settings,
  directory: string,
): Promise<DoctorFacts['state']> {
  const snapshot = `${join(directory, dataDirectory.ledger)}.snapshot`;
  try {
    const vouchedFor = readSnapshotHead(snapshot);
    const ledger = openLedger(settings, configFile, vouchedFor === undefined ? {} : { vouchedFor });
    try {
      return (await loadState(ledger, snapshot, () => undefined)).state;
    } finally {
      await ledger.close();
    }
  } catch (error) {
    return { problem: (error as Error).message, isCorrupt: error instanceof LedgerCorrupt };
  }
}
