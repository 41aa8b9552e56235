import type { Policy } from '../domain/resources.ts';
import { parsePolicyText, principalTarget } from './cedar.ts';
import type { CedarPolicy } from './cedar.ts';
import { mentionsState, usageOf } from './policy-usage.ts';
import type { PolicyUsage } from './policy-usage.ts';
import { principalScope } from './principal-scope.ts';
import type { PrincipalScope } from './principal-scope.ts';

/** One Cedar policy of a Policy resource. */
export interface ParsedPolicy {
  /** `NAME#1`, or `NAME` when the resource holds only one: unique in a set, as names have no `#`. */
  readonly id: string;
  /** Of the resource: what people and records know it by. */
  readonly name: string;
  readonly effect: 'permit' | 'forbid';
  readonly text: string;
  readonly scope: ResourceScope;
  readonly principal: PrincipalScope | undefined;
  readonly usage: PolicyUsage;
  /** Whether its conditions spell `context.device.state` out: a permit for quarantined devices has to. */
  readonly mentionsState: boolean;
  /** Whether its scope says that its principals are machines: a permit for machines has to. */
  readonly namesMachines: boolean;
}

/** Which applications a policy can apply to, by its scope alone; its conditions may still exclude them. */
export type ResourceScope =
  | { readonly kind: 'any' }
  | { readonly kind: 'app'; readonly name: string }
  | { readonly kind: 'network'; readonly name: string }
  | { readonly kind: 'none' };

/** A Policy resource, understood; or not, and then nobody can tell what it would forbid. */
export interface ParsedResource {
  readonly name: string;
  readonly mode: 'enforce' | 'shadow';
  readonly policies: readonly ParsedPolicy[];
  readonly problem?: string;
}

const plain = (uid: { type: string; id: string } | { __entity: { type: string; id: string } }) =>
  '__entity' in uid ? uid.__entity : uid;

/** `principal is Device`, `principal == Device::"…"` and `principal in Device::"…"`. */
export const namesMachines = (policy: CedarPolicy): boolean =>
  (policy.principal.op === 'is' && policy.principal.entity_type === 'Device') ||
  principalTarget(policy)?.type === 'Device';

/** Reads the resource part of a policy's scope. What it cannot read counts as `any`. */
export function resourceScope({ resource }: CedarPolicy): ResourceScope {
  if (resource.op === 'All') return { kind: 'any' };
  if (resource.op === 'is' && resource.entity_type !== 'App') return { kind: 'none' };
  const target = resource.op === 'is' ? resource.in : resource;
  if (target === undefined) return { kind: 'any' };
  if (!('entity' in target)) return { kind: 'any' };
  const { type, id } = plain(target.entity);
  if (type === 'App') return { kind: 'app', name: id };
  // `resource == Network::"n"` is no application; `resource in Network::"n"` is each of its applications.
  if (type === 'Network') return resource.op === '==' ? { kind: 'none' } : { kind: 'network', name: id };
  return { kind: 'none' };
}

/** Parses one Policy resource. A text with one bad policy is bad as a whole. Never throws. */
export function parsePolicy({ name, mode = 'enforce', cedar }: Policy): ParsedResource {
  let parsed;
  try {
    parsed = parsePolicyText(cedar);
  } catch (error) {
    return { name, mode, policies: [], problem: `the parser failed: ${String(error)}` };
  }
  if (!parsed.ok) return { name, mode, policies: [], problem: parsed.problems[0]?.message ?? 'not readable' };
  const several = parsed.policies.length > 1;
  return {
    name,
    mode,
    policies: parsed.policies.map(({ text, json }, index) => ({
      id: several ? `${name}#${index + 1}` : name,
      name,
      effect: json.effect,
      text,
      scope: resourceScope(json),
      principal: principalScope(json),
      usage: usageOf(json),
      namesMachines: namesMachines(json),
      mentionsState: mentionsState(json),
    })),
  };
}
