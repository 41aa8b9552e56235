/**
 * The attack (Fleet CVE-2026-46370, Netskope CVE-2024-7401): an enrollment secret that is the organization's, or that
 * can be used again, lets whoever has seen one laptop's set-up enroll laptops of his own, for whom he likes. Here a
 * token is one laptop's, for one user, role and network, and the ledger itself holds it to that: even a control plane
 * with a bug cannot append an enrollment that its token does not cover, and readers would not take it.
 */
import { describe, expect, it } from 'vitest';
import type { ControlEvent } from '../../src/domain/events.ts';
import { linkEntry } from '../../src/ledger/chain.ts';
import { checkEvents } from '../../src/ledger/check-events.ts';
import { applyEntry } from '../../src/ledger/fold.ts';
import { createStateFollower } from '../../src/ledger/state-follower.ts';
import { created, enrolled, sampleTime, stateOf, tokenCreated } from '../ledger/samples.ts';

const unused = [created, tokenCreated('t1', 'alice@example.org')];

describe('an enrollment token', () => {
  it('enrolls the laptop it was made for', () => {
    expect(checkEvents(stateOf(...unused), [enrolled('d1', 't1')])).toBeUndefined();
  });

  it.each<[string, readonly ControlEvent[], ControlEvent]>([
    ['a second laptop', [...unused, enrolled('d1', 't1')], enrolled('d2', 't1')],
    ['the same laptop again', [...unused, enrolled('d1', 't1')], enrolled('d1', 't1')],
    ["another user's laptop", unused, enrolled('d1', 't1', 'bob@example.org')],
    [
      'a connector',
      unused,
      { ...enrolled('d1', 't1'), role: 'connector', network: 'finance' } as ControlEvent,
    ],
    ['anything, once it is a token that nobody made', [created], enrolled('d1', 't1')],
  ])('does not enroll %s: not in the store, the fold or a worker', (_, past, event) => {
    const state = stateOf(...past);
    const entry = linkEntry(state.head, { at: sampleTime, actor: 'device:x', event });
    expect(checkEvents(state, [event])).toMatchObject({ code: 'enrollment-token-invalid' });
    expect(() => applyEntry(state, entry)).toThrow('contradicts');
    expect(() => createStateFollower(state).apply([entry])).toThrow('contradicts');
    expect(state).toEqual(stateOf(...past));
  });
});
