import { describe, expect, it } from 'vitest';
import type { ControlEvent } from '../../src/domain/events.ts';
import { linkEntries } from '../../src/ledger/chain.ts';
import { copyState } from '../../src/ledger/fold.ts';
import { createStateFollower } from '../../src/ledger/state-follower.ts';
import { created, deviceState, enrolled, networkPut, sampleTime, stateOf, tokenCreated } from './samples.ts';

const past = [created, tokenCreated('t1'), enrolled('d1', 't1')];
const news = [networkPut('a'), deviceState('d1', 'revoked'), networkPut('b')];
const snapshot = stateOf(...past);
const entries = linkEntries(snapshot.head, sampleTime, 'test', news);

describe('a follower in another process', () => {
  it('reaches the state of the log, however the entries are cut into messages', () => {
    const whole = createStateFollower(structuredClone(snapshot));
    whole.apply(entries);
    const pieces = createStateFollower(structuredClone(snapshot));
    for (const entry of entries) pieces.apply([structuredClone(entry)]);
    expect(whole.state).toEqual(stateOf(...past, ...news));
    expect(pieces.state).toEqual(whole.state);
  });

  it('passes over what its snapshot had already', () => {
    const follower = createStateFollower(stateOf(...past, ...news.slice(0, 2)));
    follower.apply(entries);
    expect(follower.state).toEqual(stateOf(...past, ...news));
  });

  it.each<[string, () => readonly unknown[]]>([
    ['a gap', () => [entries[1]]],
    ['a gap further on', () => [entries[0], entries[2]]],
    [
      'an altered entry',
      () => [entries[0], { ...entries[1], data: entries[1]?.data.replace('revoked', 'active') }],
    ],
    ['an entry of another log', () => linkEntries({ ...snapshot.head, hash: 'c'.repeat(64) }, 1, 'x', news)],
  ])('throws on %s and applies nothing of the batch', (_, bad) => {
    const follower = createStateFollower(copyState(snapshot));
    expect(() => follower.apply(bad() as never)).toThrow(expect.objectContaining({ name: 'LedgerCorrupt' }));
    expect(follower.state).toEqual(snapshot);
  });

  it('throws on an event that this version does not know', () => {
    const follower = createStateFollower(copyState(snapshot));
    const unknown = { type: 'device-teleported' } as unknown as ControlEvent;
    expect(() => follower.apply(linkEntries(snapshot.head, 1, 'x', [unknown]))).toThrow('device-teleported');
  });
});
