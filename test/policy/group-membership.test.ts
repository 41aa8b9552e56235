import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { UserName } from '../../src/domain/ids.ts';
import type { Group } from '../../src/domain/resources.ts';
import { createGroupMembership } from '../../src/policy/group-membership.ts';
import { group } from './facts.ts';

const users = ['alice', 'bob', 'carol'];
const names = ['one', 'two', 'three'];
const mapOf = (groups: readonly Group[]) => new Map(groups.map((each) => [each.name, each]));

const anyGroups = fc.uniqueArray(
  fc
    .record({
      name: fc.constantFrom(...names),
      members: fc.oneof(
        // Twice the same name is in no list that was checked, and must do no harm in one that was not.
        fc.array(fc.constantFrom(...users)),
        fc.record({ claim: fc.constantFrom('groups', 'roles'), value: fc.constantFrom('x', 'y') }),
      ),
    })
    .map(({ name, members }) => group(name, members)),
  { selector: ({ name }) => name },
);
const claims = [{}, { groups: ['x'] }, { groups: ['y'], roles: ['x', 'y'] }];
const tokens = users.flatMap((user) => claims.map((each) => ({ user: user as UserName, claims: each })));

test('says after any changes what one that was made anew says', () => {
  fc.assert(
    fc.property(fc.array(anyGroups, { minLength: 1, maxLength: 6 }), (states) => {
      const moved = createGroupMembership();
      for (const groups of states) {
        moved.update(mapOf(groups));
        const anew = createGroupMembership(groups);
        for (const token of tokens) expect(moved.groupsOf(token)).toEqual(anew.groupsOf(token));
      }
    }),
  );
});

test('gives the same object for the same groups, until some group changes', () => {
  const groups = [group('one', ['alice', 'bob']), group('two', ['alice'])];
  const membership = createGroupMembership();
  expect(membership.update(mapOf(groups))).toBe(true);
  const token = { user: 'alice' as UserName, claims: {} };
  const before = membership.groupsOf(token);
  expect(before.names).toEqual(['one', 'two']);
  expect(membership.update(mapOf(groups))).toBe(false);
  expect(membership.groupsOf(token)).toBe(before);
  expect(membership.update(mapOf([groups[0] as Group]))).toBe(true);
  expect(membership.groupsOf(token)).not.toBe(before);
  expect(membership.groupsOf(token).names).toEqual(['one']);
});
