import type { PlannedChange } from '../../contract/control-api.ts';
import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import { checkResources } from '../../domain/check-resources.ts';
import type { ControlState } from '../../domain/control-state.ts';
import { isFinal } from '../../domain/device.ts';
import type { ResourceEvent } from '../../domain/events.ts';
import type { ResourceProblem } from '../../domain/resource-findings.ts';
import { resourceKinds } from '../../domain/resources.ts';
import type { Policy, Resource, ResourceKind } from '../../domain/resources.ts';
import { mapOfKind } from '../../ledger/resource-maps.ts';
import type { PolicyContext, PolicyProblem } from '../../policy/check-policies.ts';
import { canonicalJson } from '../api/canonical-json.ts';

/** What applying resources would do; all of it is done, or nothing. */
export interface Plan {
  readonly changes: readonly PlannedChange[];
  /** Empty where nothing differs. */
  readonly events: readonly ResourceEvent[];
  readonly warnings: readonly ResourceProblem[];
}

export interface PlanOptions {
  /** Deletes what the resources do not hold. Never touches devices, tokens, keys or administrators. */
  readonly prune: boolean;
  /** Deletes these too; those that are not there are a problem. */
  readonly deletes?: readonly { readonly kind: ResourceKind; readonly name: string }[];
  /** `checkPolicies` of src/policy. */
  readonly checkPolicies: (
    policies: readonly Policy[],
    context: PolicyContext,
    asked?: ReadonlySet<string>,
  ) => readonly PolicyProblem[];
  /** The server's own names, which no app may take. */
  readonly reservedHosts?: readonly string[];
}

/**
 * Plans the change from the state to one that holds the resources, and checks the whole of what would exist then: a
 * deletion can break what stays. `resources` have the shape of their kinds.
 */
export function planResources(
  state: ControlState,
  resources: readonly Resource[],
  options: PlanOptions,
): Plan | { readonly problems: readonly ResourceProblem[] } {
  const wanted = new Map<string, Resource>();
  const problems: ResourceProblem[] = [];
  for (const resource of resources) {
    const { kind, name } = resource;
    if (wanted.has(keyOf(resource))) problems.push({ kind, name, key: 'name', message: 'is given twice' });
    wanted.set(keyOf(resource), resource);
  }
  const named = (options.deletes ?? []).flatMap(({ kind, name }) => mapOfKind(state, kind).get(name) ?? []);
  const pruned = options.prune ? allOf(state).filter((resource) => isPruned(resource, wanted)) : [];
  const deleted = [...new Set([...named, ...pruned])];
  const after = new Map([...allOf(state).map((resource) => [keyOf(resource), resource] as const), ...wanted]);
  for (const resource of deleted) after.delete(keyOf(resource));

  const check = checkResources(after.values(), options.reservedHosts);
  const asked = new Set(resources.filter(({ kind }) => kind === 'Policy').map(({ name }) => name));
  const policies = checkTexts([...after.values()], options, asked);
  problems.push(
    ...check.problems,
    ...policies.problems,
    ...deleted.flatMap((resource) => findConnectors(state, resource)),
  );
  if (problems.length > 0) return { problems };

  const changes = [...resources, ...deleted].map((resource) => describeChange(state, resource, wanted));
  // People asked about these; what they did not touch warned them when it was applied.
  const warnings = [...check.warnings, ...policies.warnings].filter((warning) => wanted.has(keyOf(warning)));
  const puts = resources.filter((_, index) => changes[index]?.action !== 'unchanged');
  return { changes, events: orderEvents(puts, deleted), warnings };
}

/** Who administers is taken back by name: files that do not speak of it must not lock people out. */
const isPruned = (resource: Resource, wanted: ReadonlyMap<string, Resource>): boolean =>
  resource.kind !== 'Administrator' && !wanted.has(keyOf(resource));

/** Plans the deletion of one resource, if nothing that stays refers to it. */
export function planDelete(
  state: ControlState,
  kind: ResourceKind,
  name: string,
  options: Omit<PlanOptions, 'prune'>,
): { readonly events: readonly ResourceEvent[] } | Refusal {
  const resource = mapOfKind(state, kind).get(name);
  if (resource === undefined) return refuse('not-found', `${kind} ${name}`);
  const rest = allOf(state).filter((other) => other !== resource);
  const broken = [
    ...findNew(checkResources(allOf(state)).problems, checkResources(rest).problems),
    ...findNew(checkTexts(allOf(state), options).problems, checkTexts(rest, options).problems),
    ...findConnectors(state, resource),
  ];
  if (broken.length === 0) return { events: orderEvents([], [resource]) };
  const users = [...new Set(broken.map((problem) => `${problem.kind} ${problem.name}: ${problem.message}`))];
  return refuse('in-use', users.join('; '));
}

/** Problems that were not there before: an old one must not stand in the way of a deletion. */
function findNew(before: readonly ResourceProblem[], after: readonly ResourceProblem[]): ResourceProblem[] {
  const known = new Set(before.map(canonicalJson));
  return after.filter((problem) => !known.has(canonicalJson(problem)));
}

function checkTexts(
  resources: readonly Resource[],
  { checkPolicies }: Pick<PlanOptions, 'checkPolicies'>,
  asked: ReadonlySet<string> = new Set(),
): { problems: ResourceProblem[]; warnings: ResourceProblem[] } {
  const namesOf = (kind: ResourceKind): string[] =>
    resources.filter((resource) => resource.kind === kind).map(({ name }) => name);
  const apps = resources.filter((resource) => resource.kind === 'App');
  const context = { apps, groups: namesOf('Group'), networks: namesOf('Network') };
  const policies = resources.filter((resource) => resource.kind === 'Policy');
  const problems: ResourceProblem[] = [];
  const warnings: ResourceProblem[] = [];
  for (const { policy, severity, message, line } of checkPolicies(policies, context, asked))
    (severity === 'error' ? problems : warnings).push({
      kind: 'Policy',
      name: policy,
      key: 'cedar',
      message,
      ...(line === undefined ? {} : { line }),
    });
  return { problems, warnings };
}

/** A connector is bound to its network's name for life: under a new network of that name it would serve another. */
function findConnectors(state: ControlState, { kind, name }: Resource): ResourceProblem[] {
  if (kind !== 'Network') return [];
  const connectors = [...state.devices.values()].filter(
    (device) => device.network === name && !isFinal(device),
  );
  return connectors.map((device) => ({
    kind,
    name,
    key: '',
    message: `cannot be deleted while connector ${device.id} serves it: revoke that first`,
  }));
}

function describeChange(
  state: ControlState,
  resource: Resource,
  wanted: ReadonlyMap<string, Resource>,
): PlannedChange {
  const { kind, name } = resource;
  if (!wanted.has(keyOf(resource))) return { action: 'delete', kind, name };
  const existing = mapOfKind(state, kind).get(name);
  if (existing === undefined) return { action: 'create', kind, name };
  return { action: canonicalJson(existing) === canonicalJson(resource) ? 'unchanged' : 'update', kind, name };
}

/**
 * References exist before what refers to them, and policies before the apps that they judge. Going away, apps are
 * first and policies outlive them: at no place in between is an app there without a `forbid` that it has before
 * or after.
 */
function orderEvents(puts: readonly Resource[], deletes: readonly Resource[]): ResourceEvent[] {
  const rank: Record<ResourceKind, number> = {
    Administrator: 0,
    Network: 0,
    Group: 1,
    Policy: 2,
    Firewall: 2,
    App: 3,
  };
  const inOrder = (resources: readonly Resource[]): Resource[] =>
    [...resources].sort((a, b) => rank[a.kind] - rank[b.kind]);
  return [
    ...inOrder(puts).map((resource) => ({ type: 'resource-put', resource }) as const),
    ...inOrder(deletes)
      .reverse()
      .map(({ kind, name }) => ({ type: 'resource-deleted', kind, name }) as const),
  ];
}

const allOf = (state: ControlState): Resource[] =>
  resourceKinds.flatMap((kind) => [...mapOfKind(state, kind).values()]);

/** Neither part may hold a slash, so that two pairs never have one key. */
const keyOf = ({ kind, name }: { readonly kind: ResourceKind; readonly name: string }): string =>
  `${kind}/${name}`;
