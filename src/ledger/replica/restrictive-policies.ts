import type { ControlState } from '../../domain/control-state.ts';
import type { ControlEvent, LedgerEntry } from '../../domain/events.ts';
import type { Policy } from '../../domain/resources.ts';
import { checkPolicies } from '../../policy/check-policies.ts';
import { parsePolicy } from '../../policy/parsed-policy.ts';
import { parseEvent } from '../event-schema.ts';

/** Names of the policies that entries say anything of. */
export function policiesOf(entries: readonly LedgerEntry[]): ReadonlySet<string> {
  return new Set(
    entries
      .map(({ data }) => parseEvent(data))
      .flatMap((event) => {
        if (event.type === 'resource-put' && event.resource.kind === 'Policy') return [event.resource.name];
        return event.type === 'resource-deleted' && event.kind === 'Policy' ? [event.name] : [];
      }),
  );
}

/**
 * Whether to make an event about a policy again takes access from someone and gives nobody any: a policy that only
 * forbids, or the end of one that only permits, as things stood at the end in `before`. `touched` are the policies that
 * the new chain has had to do with since: what others decided there is theirs to keep, and a person weighs the two. A
 * policy that names an app, a group or a network which the new chain does not have would keep every later change from
 * being applied, and forbids nobody as long as they are not there.
 */
export function takesAccess(
  event: ControlEvent,
  before: ControlState,
  draft: ControlState,
  touched: ReadonlySet<string>,
): boolean {
  if (event.type === 'resource-put' && event.resource.kind === 'Policy') {
    const { resource } = event;
    const last = before.policies.get(resource.name);
    return (
      !touched.has(resource.name) &&
      isSame(last, resource) &&
      !isSame(draft.policies.get(resource.name), resource) &&
      hasOnly('forbid', resource) &&
      isWhole(resource, draft)
    );
  }
  if (event.type !== 'resource-deleted' || event.kind !== 'Policy') return false;
  const stands = draft.policies.get(event.name);
  return (
    !touched.has(event.name) &&
    !before.policies.has(event.name) &&
    stands !== undefined &&
    hasOnly('permit', stands)
  );
}

const isSame = (a: Policy | undefined, b: Policy): boolean =>
  a !== undefined && a.cedar === b.cedar && (a.mode ?? 'enforce') === (b.mode ?? 'enforce');

/** One that cannot be read refuses every flow: it has neither alone. One in the shadow takes nothing. */
function hasOnly(effect: 'permit' | 'forbid', policy: Policy): boolean {
  const { mode, policies, problem } = parsePolicy(policy);
  return problem === undefined && mode === 'enforce' && policies.every((each) => each.effect === effect);
}

function isWhole(policy: Policy, { apps, groups, networks }: ControlState): boolean {
  const context = { apps: apps.values(), groups: groups.keys(), networks: networks.keys() };
  return checkPolicies([policy], context, new Set()).every(({ severity }) => severity !== 'error');
}
