import { principalTarget } from './cedar.ts';
import type { CedarPolicy } from './cedar.ts';
import type { PolicyInputs } from './policy-inputs.ts';

/** The one group, user or machine that a policy's scope is for. */
export interface PrincipalScope {
  readonly type: 'Group' | 'User' | 'Device';
  readonly id: string;
}

/** Absent where the scope names none, or one that nobody can be: then Cedar says. */
export function principalScope(policy: CedarPolicy): PrincipalScope | undefined {
  const target = principalTarget(policy);
  if (target === undefined) return undefined;
  const { type, id } = target;
  if (type === 'User' || type === 'Device') return { type, id };
  // `principal == Group::"g"` is no user; `principal in Group::"g"` is each of its members.
  return type === 'Group' && policy.principal.op !== '==' ? { type, id } : undefined;
}

/** Whether a scope can admit who asks. False is certain; true is for Cedar to confirm. */
export function meetsScope(
  scope: PrincipalScope | undefined,
  { user, groups, device }: Pick<PolicyInputs, 'user' | 'groups' | 'device'>,
): boolean {
  if (scope === undefined) return true;
  const { type, id } = scope;
  if (type === 'Group') return groups.includes(id);
  if (device.role === 'machine') return type === 'Device' && id === device.id;
  return type === 'User' && id === user;
}
