import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LedgerEntry } from '../../src/domain/events.ts';
import { genesisHead, hashEntry, headOf, linkEntry, verifyEntry } from '../../src/ledger/chain.ts';
import { LedgerCorrupt } from '../../src/ledger/ledger.ts';
import { created, networkPut, sampleTime } from './samples.ts';

const first = linkEntry(genesisHead, { at: sampleTime, actor: 'postern:init', event: created });
const second = linkEntry(headOf(first), { at: sampleTime + 5, actor: 'api-key:ops', event: networkPut('a') });

describe('the chain of entries', () => {
  it('passes entries that follow each other', () => {
    expect(() => verifyEntry(genesisHead, first)).not.toThrow();
    expect(() => verifyEntry(headOf(first), second)).not.toThrow();
  });

  it.each<[string, Partial<LedgerEntry>]>([
    ['data', { data: second.data.replace('"a"', '"b"') }],
    ['actor', { actor: 'api-key:oops' }],
    ['time', { at: second.at + 1 }],
    ['hash', { hash: second.hash.replace(/^./, (digit) => (digit === '0' ? '1' : '0')) }],
    ['hash in upper case', { hash: second.hash.toUpperCase() }],
    ['text that no UTF-8 can hold', { actor: '\ud800' }],
    ['time that is no count', { at: 1.5 }],
  ])('names an entry whose %s was altered', (_, altered) => {
    expect(() => verifyEntry(headOf(first), { ...second, ...altered })).toThrow(
      new LedgerCorrupt(2, 'ledger entry 2 was altered: its hash differs'),
    );
  });

  it('names the place of an entry that is missing, and one that follows another entry', () => {
    expect(() => verifyEntry(genesisHead, second)).toThrow(
      new LedgerCorrupt(1, 'ledger entry 1 is missing: 2 came instead'),
    );
    const stranger = linkEntry({ sequence: 1, hash: 'a'.repeat(64) }, { at: 1, actor: 'x', event: created });
    expect(() => verifyEntry(headOf(first), stranger)).toThrow(
      new LedgerCorrupt(2, 'ledger entry 2 does not follow the one before it'),
    );
  });

  it('keeps its hash from one version to the next, since logs outlive versions', () => {
    expect(
      hashEntry({ previous: '0'.repeat(64), sequence: 1, at: 1_767_600_000_000, actor: 'é', data: '{}' }),
    ).toBe('2035cc45a9e14a5c3b941b47d9353205507bfd40ab9ae83eb5f963ed060b6a74');
  });

  it('has one hash for one entry: no two of different parts collide, wherever one text ends and the next begins', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 12 });
    const parts = fc.record({
      previous: fc.constant('0'.repeat(64)),
      sequence: fc.integer({ min: 1, max: 3 }),
      at: fc.integer({ min: 0, max: 3 }),
      actor: text,
      data: text,
    });
    fc.assert(
      fc.property(
        parts,
        parts,
        (a, b) => (hashEntry(a) === hashEntry(b)) === (JSON.stringify(a) === JSON.stringify(b)),
      ),
    );
    // The same bytes in a row, parted elsewhere.
    fc.assert(
      fc.property(text, fc.nat({ max: 12 }), (whole, at) => {
        const cut = (end: number): string =>
          hashEntry({
            previous: genesisHead.hash,
            sequence: 1,
            at: 0,
            actor: whole.slice(0, end),
            data: whole.slice(end),
          });
        fc.pre(at < whole.length && whole.slice(0, at).isWellFormed() && whole.slice(at).isWellFormed());
        return cut(at) !== cut(whole.length);
      }),
    );
  });
});
