import { expect, it } from 'vitest';
import type { ControlState } from '../../src/domain/control-state.ts';
import type { ControlEvent } from '../../src/domain/events.ts';
import { personOf } from '../../src/domain/person.ts';
import { linkEntries } from '../../src/ledger/chain.ts';
import { applyEntry, emptyState } from '../../src/ledger/fold.ts';
import { created, sampleSeconds, sampleTime, sha256 } from '../ledger/samples.ts';

const key = (name: string, id = name): ControlEvent => ({
  type: 'api-key-created',
  id,
  name,
  secretHash: sha256(id),
});

/** The fold of what each of them did, one after another. */
function stateAfter(...acts: readonly (readonly [actor: string, event: ControlEvent])[]): ControlState {
  const state = emptyState();
  for (const [actor, event] of acts)
    for (const entry of linkEntries(state.head, sampleTime, actor, [event])) applyEntry(state, entry);
  return state;
}

const { apiKeys, proposals } = stateAfter(
  ['postern:init', created],
  ['postern:init', key('admin')],
  ['api-key:admin', key('made-by-admin')],
  ['user:alice@example.org', key('alice')],
  ['api-key:alice', key('alice-ci')],
  ['api-key:alice-ci', key('alice-ci-2')],
  ['postern:restore', key('restore')],
  // Two restores each make one of that name.
  ['user:bob@example.org', key('twice', 'first of two')],
  ['postern:restore', key('twice', 'second of two')],
  [
    'api-key:alice-ci',
    {
      type: 'change-proposed',
      id: 'c-1',
      expiresAt: sampleSeconds + 60,
      changes: [{ kind: 'Policy', name: 'x' }],
    },
  ],
);

it.each([
  ['user:alice@example.org', 'alice@example.org'],
  ['api-key:alice', 'alice@example.org'],
  ['api-key:alice-ci', 'alice@example.org'],
  ['api-key:alice-ci-2', 'alice@example.org'],
  ['api-key:admin', undefined],
  ['api-key:made-by-admin', undefined],
  ['api-key:restore', undefined],
  ['api-key:twice', undefined],
  ['api-key:none', undefined],
  ['device:user:alice@example.org', undefined],
  ['postern:restore', undefined],
])('behind %s is %s', (actor, person) => {
  expect(personOf(apiKeys, actor)).toBe(person);
});

it('keeps with a proposal who was behind it', () => {
  expect(proposals.get('c-1')).toMatchObject({
    proposedBy: 'api-key:alice-ci',
    person: 'alice@example.org',
  });
});
