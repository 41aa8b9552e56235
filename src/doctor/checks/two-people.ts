import type { ControlState } from '../../domain/control-state.ts';
import type { Role } from '../../domain/administration.ts';
import type { UserName } from '../../domain/ids.ts';
import type { Check } from '../finding.ts';
import { ok, someOf, unknown } from '../finding.ts';

/** Where changes take two people: whether there are two who could make one. */
export const twoPeopleCheck: Check = {
  name: 'two-people',
  limitMs: 10_000,
  async run({ settings, state, now }) {
    if (settings.changes?.approvals !== 2) return ok('changes of policies take one person');
    if ('problem' in state) return unknown('the ledger cannot be read');
    const hasProvider = settings.signIn !== undefined;
    const { people, isOpen } = approversOf(state, hasProvider, now);
    if (people.size >= 2) return ok(`changes of policies take two people, and ${people.size} may approve`);
    // Whom a claim of the provider makes one is known at sign-in only.
    if (isOpen) return ok('changes of policies take two people; who may approve, a claim says at sign-in');
    const known = people.size === 0 ? 'nobody' : `only ${someOf([...people])}`;
    return [
      {
        level: 'warning',
        what: `changes.approvals is 2, and no change of policies, groups, administrators or firewalls can come through: ${known} may approve${hasProvider ? '' : ', and without an identity provider nobody signs in'}`,
        how: hasProvider
          ? 'name two people in Administrators of the role owner or security (docs/policy-changes.md); where nobody can, set changes.approvals to 1 meanwhile'
          : 'set up signIn (docs/sign-in.md), or set changes.approvals to 1',
      },
    ];
  },
};

const approving: ReadonlySet<Role> = new Set(['owner', 'security']);

/** The people of whom it is known that they may approve; `isOpen` where a claim may make others. `now` in epoch milliseconds. */
function approversOf(
  { administrators, apiKeys }: ControlState,
  hasProvider: boolean,
  now: number,
): { readonly people: ReadonlySet<UserName>; readonly isOpen: boolean } {
  const people = new Set<UserName>();
  let isOpen = false;
  // Whoever cannot sign in is not there to be counted; their keys, made while they could, go on.
  for (const { role, members } of hasProvider ? administrators.values() : []) {
    if (!approving.has(role)) continue;
    if (Array.isArray(members)) for (const member of members) people.add(member as UserName);
    else isOpen = true;
  }
  for (const { person, role, scopes, expiresAt, revokedAt } of apiKeys.values()) {
    const isUsable = revokedAt === undefined && (expiresAt === undefined || expiresAt * 1000 > now);
    const mayApprove = approving.has(role) && (scopes === undefined || scopes.includes('changes:write'));
    if (person !== undefined && isUsable && mayApprove) people.add(person);
  }
  return { people, isOpen };
}
