import type { LedgerExtent } from '../ledger.ts';

/** What a store lost of the beginning or the middle of its ledger, while it kept the end. */
export interface Gap {
  /** In words, to stand behind "has lost" and "is missing": `entries 1 to 117`. */
  readonly what: string;
}

/**
 * What is missing in a store, as far as its extent tells: every entry has the number after the one before, so their count
 * is the number of the last. `firstHash` of the first entry, where it is known. Undefined for a store that is whole or empty.
 */
export function findGap({ first, last, count }: LedgerExtent, firstHash?: string): Gap | undefined {
  if (first === undefined) return undefined;
  const missing = count === undefined ? undefined : last.sequence - count;
  const atFirst = first.sequence - 1;
  const beginning = atFirst === 1 ? ['entry 1'] : atFirst > 1 ? [`entries 1 to ${atFirst}`] : [];
  const within = missing === undefined ? 0 : missing - atFirst;
  const middle = within > 0 ? [`${within} entries between its first and its last`] : [];
  const altered =
    atFirst === 0 && firstHash !== undefined && first.hash !== firstHash ? ['its true first entry'] : [];
  const parts = [...beginning, ...middle, ...altered];
  return parts.length === 0 ? undefined : { what: parts.join(' and ') };
}
