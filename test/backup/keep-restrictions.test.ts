import { describe, expect, it } from 'vitest';
import { keepRestrictions } from '../../src/backup/keep-restrictions.ts';
import type { ControlState } from '../../src/domain/control-state.ts';
import type { UserName } from '../../src/domain/ids.ts';
import type { Administrator } from '../../src/domain/resources.ts';
import { emptyState } from '../../src/ledger/fold.ts';

const administrator = (role: Administrator['role'], members: Administrator['members']): Administrator => ({
  kind: 'Administrator',
  name: 'team',
  role,
  members,
});

const stateWith = (change: (state: ControlState) => void): ControlState => {
  const state = emptyState();
  state.domain = 'example.org';
  change(state);
  return state;
};

const withTeam = (team: Administrator): ControlState =>
  stateWith(({ administrators }) => administrators.set(team.name, team));

describe('administrators beside a ledger that survived', () => {
  const alice = 'alice@example.org';
  const bob = 'bob@example.org';
  const carol = 'carol@example.org';
  const claim = { claim: 'groups', value: 'security' };

  it.each<[string, Administrator, Administrator, Administrator | undefined]>([
    [
      'a member who was taken out stays out, and one who came in is not taken over',
      administrator('security', [alice, bob]),
      administrator('security', [alice, carol]),
      administrator('security', [alice]),
    ],
    [
      'a role that was narrowed stays so',
      administrator('owner', claim),
      administrator('helpdesk', claim),
      administrator('helpdesk', claim),
    ],
    [
      'none is left where neither role is within the other: what was given is not taken over either',
      administrator('helpdesk', [alice]),
      administrator('security', [alice]),
      undefined,
    ],
    [
      'none is left where all members were taken out',
      administrator('security', [bob]),
      administrator('security', [carol]),
      undefined,
    ],
    [
      'none is left where the members are those of another claim',
      administrator('security', claim),
      administrator('security', { ...claim, value: 'audit' }),
      undefined,
    ],
  ])('%s', (_, before, after, kept) => {
    const { events } = keepRestrictions(withTeam(before), withTeam(after), 0);
    expect(events).toEqual([
      kept === undefined
        ? { type: 'resource-deleted', kind: 'Administrator', name: 'team' }
        : { type: 'resource-put', resource: kept },
    ]);
  });

  it.each<[string, Administrator, Administrator]>([
    ['a member who came in', administrator('security', [alice]), administrator('security', [alice, bob])],
    ['a role that was widened', administrator('helpdesk', [alice]), administrator('owner', [alice])],
  ])('%s changes nothing', (_, before, after) => {
    expect(keepRestrictions(withTeam(before), withTeam(after), 0).events).toEqual([]);
  });
});

describe('sign-ins beside a ledger that survived', () => {
  const withEnd = (at: number): ControlState =>
    stateWith(({ endedSignIns }) =>
      endedSignIns.set('subject:x', { user: 'alice@example.org' as UserName, at }),
    );

  it('stay ended also where an earlier end of the same user is known', () => {
    expect(keepRestrictions(withEnd(100), withEnd(200), 0).events).toEqual([
      {
        type: 'sign-in-ended',
        id: 'subject:x',
        user: 'alice@example.org',
        reason: 'ended after the backup',
      },
    ]);
    expect(keepRestrictions(withEnd(200), withEnd(200), 0).events).toEqual([]);
  });
});
