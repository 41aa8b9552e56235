import { conjuncts } from './cedar.ts';
import type { CedarExpression, CedarPolicy } from './cedar.ts';

/** One thing that must be true for a policy to apply. Equal texts are equal expressions. */
export interface Requirement {
  readonly expression: CedarExpression;
  readonly spelled: string;
}

export interface EntityName {
  readonly type: string;
  readonly id: string;
}

type Variable = 'principal' | 'resource';
type Operands = Readonly<Record<string, unknown>>;

const operandsOf = (expression: unknown, operator: string): Operands | undefined => {
  if (typeof expression !== 'object' || expression === null || !Object.hasOwn(expression, operator))
    return undefined;
  return (expression as Record<string, Operands>)[operator];
};

const isVariable = (expression: unknown, name: Variable): boolean =>
  typeof expression === 'object' && expression !== null && (expression as Operands)['Var'] === name;

/** The entity that an expression stands for literally. */
export function literalEntity(expression: unknown): EntityName | undefined {
  const value = (expression as { Value?: { __entity?: Partial<EntityName> } } | null)?.Value?.__entity;
  return typeof value?.type === 'string' && typeof value.id === 'string'
    ? { type: value.type, id: value.id }
    : undefined;
}

const require = (expression: CedarExpression): Requirement => ({
  expression,
  spelled: JSON.stringify(expression),
});

function about(variable: Variable, operator: '==' | 'in', { type, id }: EntityName): CedarExpression {
  const operands = { left: { Var: variable }, right: { Value: { __entity: { type, id } } } };
  return operator === '==' ? { '==': operands } : { in: operands };
}

const plain = (uid: EntityName | { readonly __entity: EntityName }): EntityName =>
  '__entity' in uid ? uid.__entity : uid;

/** A scope as the conditions that it stands for. */
function scopeOf(
  variable: Variable,
  scope: CedarPolicy['principal'] | CedarPolicy['resource'],
): CedarExpression[] | undefined {
  if (scope.op === 'All') return [];
  if (scope.op === 'is') {
    const type: CedarExpression = { is: { left: { Var: variable }, entity_type: scope.entity_type } };
    if (scope.in === undefined) return [type];
    return 'entity' in scope.in ? [type, about(variable, 'in', plain(scope.in.entity))] : undefined;
  }
  return 'entity' in scope ? [about(variable, scope.op, plain(scope.entity))] : undefined;
}

/** Whether the policy is about the one action that there is, so that its action asks for nothing. */
function isAboutAccess({ action }: CedarPolicy): boolean {
  if (action.op === 'All') return true;
  const named = 'entity' in action ? [action.entity] : 'entities' in action ? action.entities : [];
  return named.length === 1 && named.map(plain).every(({ type, id }) => type === 'Action' && id === 'access');
}

/** `!(a || b)` asks for `!a` and for `!b`; `x is User in G` for both of its halves. */
function split(expression: CedarExpression): CedarExpression[] {
  const negated = operandsOf(expression, '!')?.['arg'] as CedarExpression | undefined;
  if (negated !== undefined) {
    const twice = operandsOf(negated, '!')?.['arg'] as CedarExpression | undefined;
    if (twice !== undefined) return splitAll(twice);
    const either = operandsOf(negated, '||') as { left: CedarExpression; right: CedarExpression } | undefined;
    if (either !== undefined) return [either.left, either.right].flatMap((arg) => split({ '!': { arg } }));
  }
  const typed = operandsOf(expression, 'is');
  if (typed?.['in'] !== undefined) {
    const { left, entity_type, in: inside } = typed;
    return [{ is: { left, entity_type } }, { in: { left, right: inside } }] as unknown as CedarExpression[];
  }
  return [expression];
}

const splitAll = (expression: CedarExpression): CedarExpression[] => conjuncts(expression).flatMap(split);

/**
 * All that must be true for a policy to apply, scope and conditions alike, in the order of evaluation; `undefined` for a
 * policy whose scope is not understood.
 */
export function requirementsOf(policy: CedarPolicy): Requirement[] | undefined {
  const principal = scopeOf('principal', policy.principal);
  const resource = scopeOf('resource', policy.resource);
  if (principal === undefined || resource === undefined || !isAboutAccess(policy)) return undefined;
  const conditions = policy.conditions.flatMap(({ kind, body }) =>
    kind === 'when' ? splitAll(body) : split({ '!': { arg: body } }),
  );
  return [...principal, ...resource, ...conditions].map(require);
}

/** The entities that the principal or the resource must be or be in, by these requirements. */
export function entitiesRequired(requirements: readonly Requirement[], variable: Variable): EntityName[] {
  return requirements.flatMap(({ expression }) => {
    const operands = operandsOf(expression, '==') ?? operandsOf(expression, 'in');
    const entity = isVariable(operands?.['left'], variable) ? literalEntity(operands?.['right']) : undefined;
    return entity === undefined ? [] : [entity];
  });
}

/** A bound on a whole number: `subject` is the spelled expression that is bounded, from `least` to `most`. */
function boundOf(expression: CedarExpression): { subject: string; least: number; most: number } | undefined {
  for (const [operator, flipped] of Object.entries(flips)) {
    const operands = operandsOf(expression, operator);
    if (operands === undefined) continue;
    const [left, right] = [operands['left'], operands['right']] as { Value?: unknown }[];
    if (Number.isSafeInteger(right?.Value))
      return bound(operator, JSON.stringify(left), right?.Value as number);
    if (Number.isSafeInteger(left?.Value))
      return bound(flipped, JSON.stringify(right), left?.Value as number);
  }
  return undefined;
}

const flips = { '<': '>', '<=': '>=', '>': '<', '>=': '<=', '==': '==' } as const;

function bound(
  operator: string,
  subject: string,
  value: number,
): { subject: string; least: number; most: number } {
  if (operator === '<') return { subject, least: -Infinity, most: value - 1 };
  if (operator === '<=') return { subject, least: -Infinity, most: value };
  if (operator === '>') return { subject, least: value + 1, most: Infinity };
  if (operator === '>=') return { subject, least: value, most: Infinity };
  return { subject, least: value, most: value };
}

/** What holds whenever all of a policy's requirements do, asked one expression at a time. */
export type Implies = (expression: CedarExpression, spelled?: string) => boolean;

/**
 * Whether requirements that all hold leave no doubt that an expression holds too, and can be evaluated. It says yes only
 * where that is certain; `networkOf` tells the network of an application.
 */
export function createImplies(
  requirements: readonly Requirement[],
  networkOf: ReadonlyMap<string, string>,
): Implies {
  const spelledOut = new Set(requirements.map(({ spelled }) => spelled));
  const bounds = requirements.flatMap(({ expression }) => boundOf(expression) ?? []);
  const has = (expression: CedarExpression): boolean => spelledOut.has(JSON.stringify(expression));
  const equals = (variable: Variable): EntityName[] =>
    entitiesRequired(
      requirements.filter(({ expression }) => operandsOf(expression, '==') !== undefined),
      variable,
    );

  const isMember = (variable: Variable, target: EntityName): boolean =>
    has(about(variable, '==', target)) ||
    (variable === 'resource' &&
      target.type === 'Network' &&
      equals('resource').some(({ type, id }) => type === 'App' && networkOf.get(id) === target.id));

  const implies: Implies = (expression, spelled = JSON.stringify(expression)) => {
    if (spelledOut.has(spelled) || (expression as { Value?: unknown }).Value === true) return true;
    const either = operandsOf(expression, '||') as
      | { left: CedarExpression; right: CedarExpression }
      | undefined;
    // The right half is reached only where the left one could be evaluated.
    if (either !== undefined)
      return implies(either.left) || (cannotFail(either.left) && implies(either.right));
    const wanted = boundOf(expression);
    if (wanted !== undefined)
      return bounds.some(
        ({ subject, least, most }) =>
          subject === wanted.subject && least >= wanted.least && most <= wanted.most,
      );
    for (const variable of ['principal', 'resource'] as const) {
      const inside = operandsOf(expression, 'in');
      const target = isVariable(inside?.['left'], variable) ? literalEntity(inside?.['right']) : undefined;
      if (target !== undefined) return isMember(variable, target);
      const typed = operandsOf(expression, 'is');
      if (isVariable(typed?.['left'], variable))
        return equals(variable).some(({ type }) => type === typed?.['entity_type']);
    }
    return false;
  };
  return implies;
}

const safeOperators = new Set([
  ...['Value', 'Var', '.', 'has', '==', '!=', '<', '<=', '>', '>=', '&&', '||', '!', 'in', 'is', 'like'],
  ...['contains', 'containsAll', 'containsAny', 'isEmpty', 'if-then-else', 'Set', 'Record'],
  ...['ip', 'datetime', 'duration', 'isInRange', 'isIpv4', 'isIpv6', 'isLoopback', 'isMulticast', 'toTime'],
]);

/**
 * Whether an expression of a policy that passed the schema can always be evaluated: no sum can overflow in it. What is not
 * known to be safe is not.
 */
export function cannotFail(expression: unknown): boolean {
  if (Array.isArray(expression)) return expression.every(cannotFail);
  if (typeof expression !== 'object' || expression === null) return true;
  const [operator, operands] = Object.entries(expression)[0] ?? [];
  if (operator === undefined || !safeOperators.has(operator)) return false;
  if (operator === 'Value' || operator === 'Var') return true;
  if (Array.isArray(operands)) return operands.every(cannotFail);
  if (operator === 'Record') return Object.values(operands as Operands).every(cannotFail);
  return Object.entries(operands as Operands).every(
    ([name, operand]) => nameOperands.has(name) || cannotFail(operand),
  );
}

/** Members of an operator that are no expressions. */
const nameOperands = new Set(['attr', 'entity_type', 'pattern']);
