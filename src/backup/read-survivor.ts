import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { dataDirectory } from '../contract/data-directory.ts';
import { openLedger } from '../control/store/open-ledger.ts';
import { loadSettings } from '../control/settings-file.ts';
import type { ControlState, LedgerHead } from '../domain/control-state.ts';
import type { LedgerEntry } from '../domain/events.ts';
import { applyEntry, emptyState } from '../ledger/fold.ts';
import { isMendable, LedgerCorrupt, LedgerUnavailable } from '../ledger/ledger.ts';
import { openHeadFile } from '../ledger/sqlite/head-file.ts';
import { openDatabase } from '../ledger/sqlite/open-database.ts';
import { guarded } from '../ledger/sqlite/sqlite-errors.ts';
import { prepareRead } from '../ledger/sqlite/stored-entries.ts';
import type { ReadStored } from '../ledger/sqlite/stored-entries.ts';
import { BackupError } from './backup-error.ts';
import { readRowsBeyond, readStoredBeyond } from './read-beyond.ts';
import type { Beyond } from './read-beyond.ts';

/** What can still be read of a ledger that outlived its server. */
export interface Survivor {
  readonly state: ControlState;
  /** What could be read behind the place where `state` ends, because what follows there is damaged. */
  readonly beyond: readonly LedgerEntry[];
  /** Hash of the first entry: two ledgers with another are of two installations. */
  readonly firstHash: string;
  /** Epoch seconds of the last entry that could be read. */
  readonly lastAt: number;
  /** Why it is not known to be whole, where it is not. */
  readonly problem?: string;
}

/**
 * The ledgers of a place that a person names: those of a data directory (its own, and what it saw of one in Redis), or the
 * file itself. @throws BackupError where there is none
 */
export function findSurvivors(place: string): string[] {
  const isDirectory = statSync(place, { throwIfNoEntry: false })?.isDirectory() === true;
  const paths = isDirectory
    ? [dataDirectory.ledger, dataDirectory.replica].map((name) => join(place, name))
    : [place];
  const found = paths.filter((path) => existsSync(path));
  if (found.length === 0)
    throw new BackupError('refused', `${place}: there is no ledger to keep revocations from`);
  return found;
}

/**
 * Reads a ledger file, or the ledger that a settings file names (one in Redis), as far as it verifies, and behind a damage
 * what is as it was written all the same. A file is copied first (into `scratch`) and left as it is: it may be evidence, or on a disk that is
 * read-only. @throws BackupError for one that cannot be reached, SettingsError
 */
export async function readSurvivor(place: string, scratch: string): Promise<Survivor> {
  if (/\.ya?ml$/.test(place)) return readNamed(place);
  const copies = mkdtempSync(join(scratch, 'survivor-'));
  try {
    const copy = join(copies, 'ledger.db');
    for (const suffix of ['', '-wal', '.head'])
      if (existsSync(place + suffix)) copyFileSync(place + suffix, copy + suffix);
    return readCopy(copy, place);
  } finally {
    rmSync(copies, { recursive: true });
  }
}

async function readNamed(configFile: string): Promise<Survivor> {
  const { state, survivor, take } = collectSurvivor();
  const ledger = openLedger(loadSettings(configFile), configFile);
  try {
    for await (const entry of ledger.read(0)) take(entry);
    return survivor();
  } catch (error) {
    if (error instanceof LedgerCorrupt)
      return survivor(
        error.message,
        isMendable(ledger) ? await readStoredBeyond(ledger, state.head.sequence) : undefined,
      );
    if (!(error instanceof LedgerUnavailable)) throw error;
    throw new BackupError('refused', error.message, { cause: error });
  } finally {
    await ledger.close();
  }
}

/** Takes entries, and says what they come to. */
function collectSurvivor(): {
  readonly state: ControlState;
  readonly take: (entry: LedgerEntry) => void;
  readonly survivor: (problem?: string, beyond?: Beyond) => Survivor;
} {
  const state = emptyState();
  let firstHash = '';
  let lastAt = 0;
  return {
    state,
    take(entry) {
      applyEntry(state, entry);
      firstHash ||= entry.hash;
      lastAt = Math.floor(entry.at / 1000);
    },
    survivor: (problem, { entries, outOf } = { entries: [], outOf: 0 }) => ({
      state,
      beyond: entries,
      firstHash,
      lastAt,
      ...(problem === undefined
        ? {}
        : {
            problem:
              outOf === 0
                ? problem
                : `${problem}; ${entries.length} of ${outOf} entries from there on were kept`,
          }),
    }),
  };
}

function readCopy(copy: string, path: string): Survivor {
  const { state, take, survivor } = collectSurvivor();
  let beyond: Beyond | undefined;
  const problem = findProblem(path, copy, () => {
    const database = guarded(path, 0, () => openDatabase(copy, { create: false, busyTimeoutMs: 0 }));
    try {
      readAll(database, path, () => state.head, take);
    } catch (error) {
      if (error instanceof LedgerCorrupt)
        beyond = readRowsBeyond(database, path, state.head.sequence, acknowledgedOf(copy));
      throw error;
    } finally {
      database.close();
    }
    return state.head;
  });
  return survivor(problem, beyond);
}

/** How many entries there were, as far as the file beside it can be read. */
function acknowledgedOf(copy: string): number {
  try {
    return openHeadFile(`${copy}.head`).read()?.sequence ?? 0;
  } catch (error) {
    if (!(error instanceof LedgerCorrupt)) throw error;
    return 0;
  }
}

function readAll(
  database: DatabaseSync,
  path: string,
  head: () => LedgerHead,
  take: (entry: LedgerEntry) => void,
): void {
  const readOn = (read: ReadStored): void => {
    for (let entries = read(head()); entries.length > 0; entries = read(head()))
      for (const entry of entries) take(entry);
  };
  try {
    readOn(prepareRead(database, path));
  } catch (error) {
    // One that is damaged takes its whole batch with it; one by one, all before it can be read.
    if (!(error instanceof LedgerCorrupt)) throw error;
    readOn(prepareRead(database, path, 1));
  }
}

/** Why a ledger is not known to be whole, if it is not. `read` reads it to its last entry. */
function findProblem(path: string, copy: string, read: () => LedgerHead): string | undefined {
  try {
    const head = read();
    const acknowledged = openHeadFile(`${copy}.head`).read();
    if (acknowledged === undefined) return `${path} has lost its head file, so that its end may be cut off`;
    if (acknowledged.sequence > head.sequence)
      return `${path} ends at entry ${head.sequence}, and entry ${acknowledged.sequence} was acknowledged`;
    if (acknowledged.sequence === head.sequence && acknowledged.hash !== head.hash)
      return `${path} is not the ledger that was acknowledged: its last entry has another hash`;
    return undefined;
  } catch (error) {
    if (!(error instanceof LedgerCorrupt) && !(error instanceof LedgerUnavailable)) throw error;
    return error.message.replaceAll(copy, path);
  }
}
