import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ControlState, PublishedKey } from '../../src/domain/control-state.ts';
import {
  buildJwks,
  currentKey,
  keyUses,
  planRotation,
  rotationSeconds,
  settlingSeconds,
} from '../../src/identity/signing-keys.ts';
import { emptyState } from '../../src/ledger/fold.ts';
import { now } from './token-lab.ts';

const jwk = { kty: 'EC', crv: 'P-256', x: 'x', y: 'y' } as const;
const published = (kid: string, change: Partial<PublishedKey> = {}): PublishedKey => ({
  kid,
  use: 'session',
  jwk,
  publishedAt: now,
  ...change,
});
function stateOf(...keys: PublishedKey[]): ControlState {
  const state = emptyState();
  for (const key of keys) state.signingKeys.set(key.kid, key);
  return state;
}
/** What the control plane does with a plan. */
let made = 0;
function rotate(state: ControlState, at: number): { published: string[]; retired: string[] } {
  const plan = planRotation(state, at);
  const kids = plan.publish.map((use) => {
    const kid = `key-${String(++made).padStart(6, '0')}`;
    state.signingKeys.set(kid, published(kid, { use, publishedAt: at }));
    return kid;
  });
  for (const kid of plan.retire) {
    const key = state.signingKeys.get(kid);
    if (key !== undefined) state.signingKeys.set(kid, { ...key, retiredAt: at });
  }
  return { published: kids, retired: [...plan.retire] };
}
const assertionPair = [published('a1', { use: 'assertion' }), published('a2', { use: 'assertion' })];

describe('the rotation of signing keys', () => {
  it('begins with a current and a next key of each use', () => {
    expect(planRotation(stateOf(), now)).toEqual({
      publish: ['session', 'session', 'assertion', 'assertion'],
      retire: [],
    });
  });

  it('asks for nothing until the time of the current key is over', () => {
    const state = stateOf(published('s1'), published('s2'), ...assertionPair);
    expect(planRotation(state, now + rotationSeconds - 1)).toEqual({ publish: [], retire: [] });
    expect(planRotation(state, now + rotationSeconds)).toEqual({
      publish: ['session', 'assertion'],
      retire: ['s1', 'a1'],
    });
  });

  it('lets no key take over that has not been published for a while', () => {
    const due = now + rotationSeconds;
    const state = stateOf(published('s1'), published('s2', { publishedAt: due - 10 }), ...assertionPair);
    expect(planRotation(state, due).retire).toEqual(['a1']);
    expect(planRotation(state, due - 10 + settlingSeconds).retire).toEqual(['s1', 'a1']);
  });

  it('counts the time of a key from when its predecessor was retired', () => {
    const state = stateOf(
      published('s1', { retiredAt: now + 100 }),
      published('s2'),
      published('s3'),
      ...assertionPair,
    );
    expect(planRotation(state, now + 100 + rotationSeconds - 1).retire).toEqual(['a1']);
    expect(planRotation(state, now + 100 + rotationSeconds).retire).toEqual(['s2', 'a1']);
  });

  it('replaces a key that was retired by hand', () => {
    const state = stateOf(published('s1', { retiredAt: now }), published('s2'), ...assertionPair);
    expect(currentKey(state, 'session')?.kid).toBe('s2');
    expect(planRotation(state, now)).toEqual({ publish: ['session'], retire: [] });
  });

  it('keeps the uses apart', () => {
    const state = stateOf(published('s1'), published('a1', { use: 'assertion' }));
    expect([currentKey(state, 'session')?.kid, currentKey(state, 'assertion')?.kid]).toEqual(['s1', 'a1']);
    expect(currentKey(stateOf(published('s1')), 'assertion')).toBeUndefined();
  });

  it('never signs with a key that a verifier a day behind the ledger does not know, whenever it is run', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20 * 86_400), { minLength: 1, maxLength: 40 }), (gaps) => {
        const state = emptyState();
        let at = now;
        const first = new Set(rotate(state, at).published);
        for (const gap of gaps) {
          at += gap;
          const { retired } = rotate(state, at);
          expect(rotate(state, at)).toEqual({ published: [], retired: [] });
          for (const use of keyUses) {
            const current = currentKey(state, use);
            expect(current).toBeDefined();
            if (current !== undefined && !first.has(current.kid)) {
              expect(at - current.publishedAt).toBeGreaterThanOrEqual(settlingSeconds);
            }
            const waiting = [...state.signingKeys.values()].filter(
              (key) => key.use === use && key.retiredAt === undefined,
            );
            expect(waiting).toHaveLength(2);
          }
          expect(retired.length).toBeLessThanOrEqual(2);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('the published key set', () => {
  const state = stateOf(
    published('old', { use: 'assertion', retiredAt: now - 60 }),
    published('fading', { use: 'assertion', retiredAt: now - 59 }),
    published('current', { use: 'assertion' }),
    published('session', { use: 'session' }),
  );

  it('has the current and next keys, and the retired ones while a token of theirs may live', () => {
    const { keys } = buildJwks(state, 'assertion', now);
    expect(keys.map(({ kid }) => kid)).toEqual(['fading', 'current']);
    expect(keys[1]).toEqual({ ...jwk, kid: 'current', alg: 'ES256', use: 'sig' });
  });
});
