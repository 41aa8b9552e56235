import { hash } from 'node:crypto';
import type { LedgerHead } from '../domain/control-state.ts';
import type { ControlEvent, LedgerEntry } from '../domain/events.ts';
import { LedgerCorrupt } from './ledger.ts';

/** Before the first event. */
export const genesisHead: LedgerHead = { sequence: 0, hash: '0'.repeat(64) };

const hashPattern = /^[0-9a-f]{64}$/;
// Parts the hashes of this chain from those of any other thing that we hash.
const purpose = Buffer.from('postern-ledger-entry-1\0', 'latin1');

type Unhashed = Omit<LedgerEntry, 'hash'>;

/**
 * SHA-256 over purpose, previous hash, sequence, time, and the actor and data each behind its length in bytes. Without
 * the lengths an actor could take bytes from the data's beginning, and two different entries would have one hash.
 * @throws TypeError for a text with a lone surrogate: UTF-8 has none, so two such texts would be stored alike.
 */
export function hashEntry(entry: Unhashed): string {
  const { previous, sequence, at, actor, data } = entry;
  if (!hashPattern.test(previous)) throw new TypeError('previous is not a lower-case SHA-256');
  if (!Number.isSafeInteger(sequence) || sequence < 1) throw new TypeError('sequence is not a count');
  if (!Number.isSafeInteger(at) || at < 0) throw new TypeError('at is not epoch milliseconds');
  if (!actor.isWellFormed() || !data.isWellFormed()) throw new TypeError('text is not well-formed Unicode');
  const actorBytes = Buffer.byteLength(actor);
  const dataBytes = Buffer.byteLength(data);
  const bytes = Buffer.allocUnsafe(purpose.length + 32 + 8 + 8 + 4 + actorBytes + 4 + dataBytes);
  let offset = purpose.copy(bytes);
  offset += bytes.write(previous, offset, 'hex');
  offset = bytes.writeBigUInt64BE(BigInt(sequence), offset);
  offset = bytes.writeBigUInt64BE(BigInt(at), offset);
  offset = bytes.writeUInt32BE(actorBytes, offset);
  offset += bytes.write(actor, offset);
  offset = bytes.writeUInt32BE(dataBytes, offset);
  bytes.write(data, offset);
  return hash('sha256', bytes, 'hex');
}

/**
 * Passes who an entry may name: 1 to 300 characters, none of them control characters, so that a log line about it is
 * one line.
 * @throws TypeError
 */
export function checkActor(actor: string): void {
  if (actor.length === 0 || actor.length > 300 || /\p{Cc}/u.test(actor) || !actor.isWellFormed())
    throw new TypeError('actor is not a name');
}

/** Makes the entry that follows `previous`. `at` in epoch milliseconds; the event becomes the text that is hashed. */
export function linkEntry(
  previous: LedgerHead,
  what: { readonly at: number; readonly actor: string; readonly event: ControlEvent },
): LedgerEntry {
  const { at, actor, event } = what;
  const entry = {
    sequence: previous.sequence + 1,
    at,
    actor,
    data: JSON.stringify(event),
    previous: previous.hash,
  };
  return { ...entry, hash: hashEntry(entry) };
}

/** Links several events, each after the one before. */
export function linkEntries(
  previous: LedgerHead,
  at: number,
  actor: string,
  events: readonly ControlEvent[],
): LedgerEntry[] {
  const entries: LedgerEntry[] = [];
  let head = previous;
  for (const event of events) {
    const entry = linkEntry(head, { at, actor, event });
    entries.push(entry);
    head = headOf(entry);
  }
  return entries;
}

export const headOf = (entry: LedgerEntry): LedgerHead => ({ sequence: entry.sequence, hash: entry.hash });

/**
 * Passes an entry that follows `previous` and whose hash covers what it says.
 * @throws LedgerCorrupt naming the sequence number at which the chain breaks.
 */
export function verifyEntry(previous: LedgerHead, entry: LedgerEntry): void {
  verifyPlace(previous, entry);
  if (computeHash(entry) !== entry.hash)
    throw new LedgerCorrupt(entry.sequence, `ledger entry ${entry.sequence} was altered: its hash differs`);
}

/** Passes an entry that claims the place after `previous`; whether its hash is true is for `verifyEntry`. */
export function verifyPlace(previous: LedgerHead, entry: LedgerEntry): void {
  const expected = previous.sequence + 1;
  if (entry.sequence !== expected)
    throw new LedgerCorrupt(expected, `ledger entry ${expected} is missing: ${entry.sequence} came instead`);
  if (entry.previous !== previous.hash)
    throw new LedgerCorrupt(expected, `ledger entry ${expected} does not follow the one before it`);
}

function computeHash(entry: LedgerEntry): string | undefined {
  try {
    return hashEntry(entry);
  } catch (error) {
    // What cannot be hashed was never written by us.
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}
