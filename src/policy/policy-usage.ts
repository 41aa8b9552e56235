import { principalTarget } from './cedar.ts';
import type { CedarExpression, CedarPolicy } from './cedar.ts';
import { contextLeaves, leavesBelow } from './context-leaves.ts';
import { breakpointsOf, comparisons, literalSeconds, timeDimensions } from './time-dimensions.ts';
import type { Comparison, TimeDimension } from './time-dimensions.ts';

/**
 * What the answer of a policy can depend on, read off its syntax tree. Anything not understood counts as everything:
 * a cache key may hold too much, never too little.
 */
export interface PolicyUsage {
  /** The user's name itself. */
  user: boolean;
  /** Groups whose membership matters; `all` where there is no telling. */
  groups: Set<string> | 'all';
  /** Attributes of the context, as named in context-leaves.ts. */
  readonly leaves: Set<string>;
  readonly times: Map<TimeDimension, Set<number> | 'raw'>;
}

export const emptyUsage = (): PolicyUsage => ({
  user: false,
  groups: new Set(),
  leaves: new Set(),
  times: new Map(),
});

/** Adds what `from` uses to `into`. */
export function mergeUsage(into: PolicyUsage, from: PolicyUsage): void {
  into.user ||= from.user;
  if (from.groups === 'all') into.groups = 'all';
  else for (const group of from.groups) useGroup(into, group);
  for (const leaf of from.leaves) into.leaves.add(leaf);
  for (const [dimension, points] of from.times) useTime(into, dimension, points);
}

const useGroup = (usage: PolicyUsage, group: string): void => {
  if (usage.groups !== 'all') usage.groups.add(group);
};

function useTime(usage: PolicyUsage, dimension: TimeDimension, points: Iterable<number> | 'raw'): void {
  const before = usage.times.get(dimension);
  if (points === 'raw' || before === 'raw') usage.times.set(dimension, 'raw');
  else usage.times.set(dimension, new Set([...(before ?? []), ...points]));
}

const timeLeaves: Readonly<Record<string, TimeDimension>> = {
  'posture.ageSeconds': 'postureAge',
  'signIn.ageSeconds': 'signInAge',
  'device.enrolledAgeSeconds': 'enrolledAge',
  now: 'now',
};

const useLeaf = (usage: PolicyUsage, leaf: string): void => {
  usage.leaves.add(leaf);
  const dimension = timeLeaves[leaf];
  if (dimension !== undefined) useTime(usage, dimension, 'raw');
};

const useWholeUser = (usage: PolicyUsage): void => {
  usage.user = true;
  usage.groups = 'all';
};

function useEverything(usage: PolicyUsage): void {
  useWholeUser(usage);
  for (const leaf of Object.keys(contextLeaves)) useLeaf(usage, leaf);
  for (const dimension of timeDimensions) useTime(usage, dimension, 'raw');
}

type Node = Readonly<Record<string, unknown>>;
const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** `context.a.b` as `a.b`, `context` as the empty text; anything else is no path. */
function contextPath(expression: unknown): string | undefined {
  if (!isNode(expression)) return undefined;
  if (expression['Var'] === 'context') return '';
  const access = expression['.'];
  if (!isNode(access) || typeof access['attr'] !== 'string') return undefined;
  const base = contextPath(access['left']);
  if (base === undefined) return undefined;
  // An attribute that has a dot in its name would pass for two.
  const attribute = access['attr'].replaceAll('.', '?');
  return base === '' ? attribute : `${base}.${attribute}`;
}

function usePath(usage: PolicyUsage, path: string): void {
  const leaves = path === '' ? Object.keys(contextLeaves) : leavesBelow(path);
  if (leaves.length === 0) useEverything(usage);
  for (const leaf of leaves) useLeaf(usage, leaf);
}

function entityOf(expression: unknown): { type: string; id: string } | undefined {
  const value = isNode(expression) ? expression['Value'] : undefined;
  const entity = isNode(value) ? value['__entity'] : undefined;
  if (!isNode(entity)) return undefined;
  const { type, id } = entity as { type?: unknown; id?: unknown };
  return typeof type === 'string' && typeof id === 'string' ? { type, id } : undefined;
}

/** Membership of the principal in one literal entity. */
function useMembership(usage: PolicyUsage, entity: { type: string; id: string } | undefined): void {
  if (entity?.type === 'Group') useGroup(usage, entity.id);
  // Machines have names as users have, and a cache of their own.
  else if (entity?.type === 'User' || entity?.type === 'Device') usage.user = true;
  else useWholeUser(usage);
}

/** `context.posture.ageSeconds < 600` and its like, either way round. */
function useTimeComparison(
  usage: PolicyUsage,
  comparison: Comparison,
  left: unknown,
  right: unknown,
): boolean {
  for (const literalOnLeft of [false, true]) {
    const [value, literal] = literalOnLeft ? [right, left] : [left, right];
    const toTime = isNode(value) ? value['toTime'] : undefined;
    const timeOfDay = Array.isArray(toTime) && contextPath(toTime[0]) === 'now';
    const path = timeOfDay ? 'now' : contextPath(value);
    const dimension = timeOfDay ? 'timeOfDay' : path === undefined ? undefined : timeLeaves[path];
    if (path === undefined || dimension === undefined || !isNode(literal)) continue;
    const seconds = literalSeconds(dimension, literal as unknown as CedarExpression);
    if (seconds === undefined) continue;
    usage.leaves.add(path);
    useTime(usage, dimension, breakpointsOf(comparison, seconds, literalOnLeft));
    return true;
  }
  return false;
}

function usePrincipalTest(usage: PolicyUsage, operator: string, operands: Node): boolean {
  const { left, right } = operands as { left?: unknown; right?: unknown };
  const isPrincipal = (expression: unknown): boolean =>
    isNode(expression) && expression['Var'] === 'principal';
  if (operator === 'is' && isPrincipal(left)) {
    if (operands['in'] !== undefined) useMembership(usage, entityOf(operands['in']));
    return true;
  }
  if (operator === 'in' && isPrincipal(left)) {
    const set = isNode(right) ? right['Set'] : undefined;
    for (const target of Array.isArray(set) ? (set as unknown[]) : [right])
      useMembership(usage, entityOf(target));
    return true;
  }
  const other = isPrincipal(left) ? right : isPrincipal(right) ? left : undefined;
  if ((operator === '==' || operator === '!=') && entityOf(other) !== undefined) {
    usage.user = true;
    return true;
  }
  return false;
}

const operandNames = ['left', 'right', 'arg', 'if', 'then', 'else', 'in'];
const operators = new Set(
  '! neg == != in < <= > >= && || + - * contains containsAll containsAny isEmpty getTag hasTag like is if-then-else'.split(
    ' ',
  ),
);

/** The tree is walked operator by operator, since a record in it may have keys that look like operators. */
function visit(usage: PolicyUsage, expression: unknown): void {
  const entries = isNode(expression) ? Object.entries(expression) : [];
  const [operator, operands] = entries[0] ?? [];
  if (entries.length !== 1 || operator === undefined) return useEverything(usage);
  if (operator === 'Value') return;
  if (operator === 'Var') {
    if (operands === 'context') usePath(usage, '');
    else if (operands === 'principal') useWholeUser(usage);
    return;
  }
  if (operator === 'Set' && Array.isArray(operands)) return operands.forEach((item) => visit(usage, item));
  if (operator === 'Record' && isNode(operands)) {
    return Object.values(operands).forEach((item) => visit(usage, item));
  }
  if ((operator === '.' || operator === 'has') && isNode(operands)) {
    const base = contextPath(operands['left']);
    const { attr } = operands as { attr?: unknown };
    const attributes: unknown[] = Array.isArray(attr) ? attr : [attr];
    if (base === undefined) return visit(usage, operands['left']);
    const path = attributes.reduce<unknown>(
      (left, name) => ({ '.': { left, attr: name } }),
      operands['left'],
    );
    return usePath(usage, contextPath(path) ?? '');
  }
  if (operators.has(operator) && isNode(operands)) {
    if (usePrincipalTest(usage, operator, operands)) return;
    if (
      (comparisons as readonly string[]).includes(operator) &&
      useTimeComparison(usage, operator as Comparison, operands['left'], operands['right'])
    ) {
      return;
    }
    for (const name of operandNames) if (name in operands) visit(usage, operands[name]);
    return;
  }
  // Functions of extensions: ip("…"), isInRange(…), toTime(…).
  if (Array.isArray(operands)) return operands.forEach((item) => visit(usage, item));
  useEverything(usage);
}

/** Whether an expression spells an attribute of the context out, such as `device.state`. */
const spellsPath = (expression: unknown, path: string): boolean =>
  typeof expression === 'object' &&
  expression !== null &&
  (contextPath(expression) === path || Object.values(expression).some((part) => spellsPath(part, path)));

/** What the value of an expression can depend on. */
export function usageOfExpression(expression: CedarExpression): PolicyUsage {
  const usage = emptyUsage();
  visit(usage, expression);
  return usage;
}

/** What a policy's answer for a given application can depend on. */
export function usageOf(policy: CedarPolicy): PolicyUsage {
  const usage = emptyUsage();
  const target = principalTarget(policy);
  if (target !== undefined) useMembership(usage, target);
  for (const clause of policy.conditions) visit(usage, clause.body);
  return usage;
}

/** Whether the conditions of a policy spell `context.device.state` out: a permit for quarantined devices has to. */
export const mentionsState = ({ conditions }: CedarPolicy): boolean =>
  conditions.some(({ body }) => spellsPath(body, 'device.state'));
