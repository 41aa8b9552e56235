import type { LedgerHead } from '../domain/control-state.ts';
import type { LedgerEntry } from '../domain/events.ts';
import { genesisHead, headOf } from '../ledger/chain.ts';
import { LedgerCorrupt } from '../ledger/ledger.ts';
import { BackupError } from './backup-error.ts';

/** Entries, one a line of JSON, in pieces that fit in memory. `first` is the sequence number of the first. */
export interface LedgerPiece {
  readonly first: number;
  readonly bytes: Buffer;
}

const pieceBytes = 4 * 1024 * 1024;

/**
 * The ledger up to a head, and not what was appended since.
 * @throws LedgerCorrupt where the ledger does not lead to that head.
 */
export async function* ledgerPieces(
  entries: AsyncIterable<LedgerEntry>,
  upTo: LedgerHead,
  onEntry: (sequence: number) => void,
): AsyncGenerator<LedgerPiece> {
  let lines: Buffer[] = [];
  let bytes = 0;
  let first = 1;
  let head = genesisHead;
  for await (const entry of entries) {
    const line = Buffer.from(`${JSON.stringify(entry)}\n`);
    lines.push(line);
    bytes += line.length;
    head = headOf(entry);
    onEntry(head.sequence);
    if (bytes >= pieceBytes || head.sequence === upTo.sequence) {
      yield { first, bytes: Buffer.concat(lines) };
      lines = [];
      bytes = 0;
      first = head.sequence + 1;
    }
    if (head.sequence === upTo.sequence) break;
  }
  if (head.sequence !== upTo.sequence || head.hash !== upTo.hash)
    throw new LedgerCorrupt(
      head.sequence,
      `the ledger did not lead to entry ${upTo.sequence} as it was known`,
    );
}

/** The entries of one piece. Whether they follow each other is for the reader of the chain. */
export function parseLedgerPiece(bytes: Buffer): LedgerEntry[] {
  const text = bytes.toString('utf8');
  if (!text.endsWith('\n')) throw new BackupError('damaged', 'a part of its ledger is cut off');
  return text
    .slice(0, -1)
    .split('\n')
    .map((line) => {
      const value = JSON.parse(line) as Record<keyof LedgerEntry, unknown>;
      const { sequence, at, actor, data, previous, hash } = value;
      const isEntry =
        Number.isSafeInteger(sequence) &&
        Number.isSafeInteger(at) &&
        [actor, data, previous, hash].every((part) => typeof part === 'string');
      if (!isEntry) throw new BackupError('damaged', 'a line of its ledger is no entry');
      return { sequence, at, actor, data, previous, hash } as LedgerEntry;
    });
}
