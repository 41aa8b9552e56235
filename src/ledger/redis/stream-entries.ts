import type { LedgerHead } from '../../domain/control-state.ts';
import type { LedgerEntry } from '../../domain/events.ts';
import { genesisHead, headOf, verifyEntry } from '../chain.ts';
import { LedgerCorrupt } from '../ledger.ts';

/** An element of a stream as Redis gives it: identifier, then names and values in turn. */
export type StreamElement = readonly [id: string, fields: readonly string[]];

export const idOf = (sequence: number): string => `${sequence}-0`;

/**
 * The number in an identifier of ours. @throws LedgerCorrupt for one that we did not write; `expected` is the entry at
 * hand.
 */
export function sequenceOf(id: string, expected: number): number {
  const match = /^(0|[1-9][0-9]{0,15})-0$/.exec(id);
  if (match === null)
    throw new LedgerCorrupt(expected, `ledger entry ${expected}: ${JSON.stringify(id)} is not ours`);
  return Number(match[1]);
}

/** @throws LedgerCorrupt for an element that is no entry. Whether its hash is true is for `verifyEntry`. */
export function parseElement([id, fields]: StreamElement, expected: number): LedgerEntry {
  const sequence = sequenceOf(id, expected);
  const [atName, at, actorName, actor, dataName, data, previousName, previous, hashName, hash, ...more] =
    fields;
  const isOurs =
    [atName, actorName, dataName, previousName, hashName].join(' ') === 'at actor data previous hash' &&
    more.length === 0;
  if (
    !isOurs ||
    hash === undefined ||
    at === undefined ||
    !/^(0|[1-9][0-9]{0,15})$/.test(at) ||
    actor === undefined ||
    data === undefined ||
    previous === undefined
  )
    throw new LedgerCorrupt(sequence, `ledger entry ${sequence} does not have the fields of one`);
  return { sequence, at: Number(at), actor, data, previous, hash };
}

/** Entries that follow a head, verified link by link. @throws LedgerCorrupt */
export function parseChain(elements: readonly StreamElement[], after: LedgerHead): LedgerEntry[] {
  let head = after;
  return elements.map((element) => {
    const entry = parseElement(element, head.sequence + 1);
    verifyEntry(head, entry);
    head = headOf(entry);
    return entry;
  });
}

/** The head that the last element makes; it must at least be whole in itself. @throws LedgerCorrupt */
export function parseHead(elements: readonly StreamElement[]): LedgerHead {
  const [last] = elements;
  if (last === undefined) return genesisHead;
  const entry = parseElement(last, 0);
  verifyEntry({ sequence: entry.sequence - 1, hash: entry.previous }, entry);
  return headOf(entry);
}
