import { closeSync, existsSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { syncDirectory } from '../durable-file.ts';
import { LedgerUnavailable } from '../ledger.ts';

/** "PSTN": tells file(1), and us, whose database this is. */
const applicationId = 0x5053544e;
const formatVersion = 1;

// Nothing of ours changes an entry; the triggers keep a stray hand with a SQL shell from doing it by mistake.
const tables = `
  CREATE TABLE entries (
    sequence INTEGER PRIMARY KEY CHECK (sequence > 0),
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    data TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL
  ) STRICT;
  CREATE TRIGGER entries_stay_as_they_are BEFORE UPDATE ON entries
    BEGIN SELECT RAISE(ABORT, 'ledger entries are never changed'); END;
  CREATE TRIGGER entries_stay BEFORE DELETE ON entries
    BEGIN SELECT RAISE(ABORT, 'ledger entries are never deleted'); END;
  PRAGMA application_id = ${applicationId};
  PRAGMA user_version = ${formatVersion};
`;

/**
 * Opens the database of a ledger, durable to the last commit: WAL with a sync of the disk at each.
 * @throws LedgerUnavailable where there is none and none is to be made, or it is of another program or version.
 */
export function openDatabase(
  path: string,
  options: { readonly create: boolean; readonly busyTimeoutMs: number },
): DatabaseSync {
  if (!existsSync(path)) {
    if (!options.create) throw new LedgerUnavailable(`there is no ledger at ${path}`);
    createFile(path);
  }
  const database = new DatabaseSync(path, {
    timeout: options.busyTimeoutMs,
    allowExtension: false,
    enableDoubleQuotedStringLiterals: false,
  });
  try {
    // Before anything that writes: a database of another program is left exactly as it is.
    checkFormat(database, path, options.create);
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF');
    if (readPragma(database, 'user_version') === 0) createTables(database, path);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** For the eyes of this user alone; SQLite gives its log and index the same mode. */
function createFile(path: string): void {
  try {
    closeSync(openSync(path, 'a', 0o600));
    syncDirectory(dirname(path));
  } catch (error) {
    throw new LedgerUnavailable(`ledger ${path} cannot be created: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function checkFormat(database: DatabaseSync, path: string, create: boolean): void {
  const application = readPragma(database, 'application_id');
  const version = readPragma(database, 'user_version');
  if (application === applicationId && version === formatVersion) return;
  if (application === applicationId)
    throw new LedgerUnavailable(
      `ledger ${path} has format ${version}; this version of postern reads format ${formatVersion} only`,
    );
  const isEmpty = database.prepare('SELECT count(*) AS n FROM sqlite_schema').get()?.['n'] === 0;
  if (application !== 0 || version !== 0 || !isEmpty || !create)
    throw new LedgerUnavailable(`${path} is not a ledger of postern`);
}

/** In one transaction, so that a crash leaves an empty file or a whole ledger; two processes may try at once. */
function createTables(database: DatabaseSync, path: string): void {
  database.exec('BEGIN IMMEDIATE');
  try {
    if (readPragma(database, 'user_version') === 0) database.exec(tables);
    database.exec('COMMIT');
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
  checkFormat(database, path, false);
}

function readPragma(database: DatabaseSync, name: 'application_id' | 'user_version'): number {
  return Number(database.prepare(`PRAGMA ${name}`).get()?.[name]);
}
