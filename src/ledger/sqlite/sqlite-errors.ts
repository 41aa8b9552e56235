import { LedgerCorrupt, LedgerUnavailable } from '../ledger.ts';

/** Primary result codes of SQLite (https://sqlite.org/rescode.html); extended codes keep theirs in the low byte. */
// Our statements are fixed, so one that is in error has met a schema that is not ours any more.
const corrupt = new Set([1 /* ERROR */, 11 /* CORRUPT */, 26 /* NOTADB */]);
const unavailable = new Map([
  [3 /* PERM */, 'no permission'],
  [5 /* BUSY */, 'locked by another process'],
  [6 /* LOCKED */, 'locked'],
  [7 /* NOMEM */, 'out of memory'],
  [8 /* READONLY */, 'read-only'],
  [10 /* IOERR */, 'input/output error'],
  [13 /* FULL */, 'disk full'],
  [14 /* CANTOPEN */, 'cannot be opened'],
  [15 /* PROTOCOL */, 'locked by another process'],
]);

/** What an error of SQLite means for the ledger. `sequence` is the entry at hand, for one that the file has damaged. */
function ledgerError(error: unknown, path: string, sequence: number): unknown {
  if (error instanceof RangeError && 'code' in error && error.code === 'ERR_OUT_OF_RANGE')
    return new LedgerCorrupt(
      sequence,
      `ledger ${path} is damaged at entry ${sequence}: a number is too large`,
    );
  const code = sqliteCode(error);
  if (code === undefined) return error;
  const { message } = error as Error;
  if (corrupt.has(code))
    return new LedgerCorrupt(
      sequence,
      `ledger ${path} is damaged at entry ${sequence} or beside it: ${message}`,
    );
  const reason = unavailable.get(code);
  return reason === undefined
    ? error
    : new LedgerUnavailable(`ledger ${path}: ${reason}: ${message}`, { cause: error });
}

function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number')
    return undefined;
  return error.errcode & 0xff;
}

/** Does work on the database; what SQLite throws becomes an error of the ledger. */
export function guarded<Value>(path: string, sequence: number, work: () => Value): Value {
  try {
    return work();
  } catch (error) {
    throw ledgerError(error, path, sequence);
  }
}
