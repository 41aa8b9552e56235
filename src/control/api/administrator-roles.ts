import { roles } from '../../domain/administration.ts';
import type { Role } from '../../domain/administration.ts';
import type { ControlState } from '../../domain/control-state.ts';
import type { Administrator } from '../../domain/resources.ts';
import type { VerifiedToken } from '../../domain/subject.ts';

/**
 * What a person may do who has signed in: the roles of every `Administrator` that lists the user, or whose claim the
 * identity provider made about them. None for everyone else. `claims` must be of a verified ID token.
 */
export function rolesOf(
  state: Pick<ControlState, 'administrators'>,
  person: Pick<VerifiedToken, 'user' | 'claims'>,
): readonly Role[] {
  const held = new Set<Role>();
  for (const administrator of state.administrators.values())
    if (isMember(administrator, person)) held.add(administrator.role);
  return roles.filter((role) => held.has(role));
}

function isMember(
  { members }: Administrator,
  { user, claims }: Pick<VerifiedToken, 'user' | 'claims'>,
): boolean {
  if (Array.isArray(members)) return members.includes(user);
  // The claim's name comes from a resource: it must not find what every object inherits.
  const values = Object.hasOwn(claims, members.claim) ? claims[members.claim] : undefined;
  return values?.includes(members.value) ?? false;
}
