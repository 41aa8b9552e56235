import type { Policy } from '../domain/resources.ts';
import { conjuncts, parsePolicyText, renderExpression, validatePolicies } from './cedar.ts';
import type { CedarExpression, CedarPolicy, CedarProblem } from './cedar.ts';

export interface PolicyProblem {
  /** Name of the Policy resource. */
  readonly policy: string;
  /** Errors keep a policy from being applied; warnings are shown. */
  readonly severity: 'error' | 'warning';
  readonly message: string;
  /** Line within the Cedar text, from 1. */
  readonly line?: number;
}

/** Names that policies may refer to: what will exist once the resources at hand are applied. */
export interface PolicyContext {
  readonly apps: Iterable<string>;
  readonly groups: Iterable<string>;
  readonly networks: Iterable<string>;
}

interface EntityName {
  readonly type: string;
  readonly id: string;
}

/** Cedar counts in bytes of UTF-8, so an accent in a comment must not move the line. */
function lineAt(text: string, byteOffset: number): number {
  const before = new TextEncoder().encode(text).subarray(0, byteOffset);
  return 1 + before.reduce((lines, byte) => (byte === 0x0a ? lines + 1 : lines), 0);
}

function isEntityName(value: unknown): value is EntityName {
  const { type, id } = (value ?? {}) as { type?: unknown; id?: unknown };
  return typeof type === 'string' && typeof id === 'string';
}

/** Every entity that a policy names, in its scope and its conditions. */
function entitiesOf(policy: CedarPolicy): EntityName[] {
  const found: EntityName[] = [];
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      if ((key === '__entity' || key === 'entity') && isEntityName(inner)) found.push(inner);
      else visit(inner);
    }
  };
  visit([policy.principal, policy.resource, policy.conditions]);
  return found;
}

/** First line where an entity stands as people write it; none where it is spelled with escapes or spaces. */
function entityLine(text: string, { type, id }: EntityName): { line: number } | undefined {
  const at = text.indexOf(`${type}::${JSON.stringify(id)}`);
  return at < 0 ? undefined : { line: text.slice(0, at).split('\n').length };
}

const byteLength = (text: string): number => new TextEncoder().encode(text).length;

const phraseWarning = (message: string): string =>
  /^(policy is impossible: |unable to find an applicable action)/.test(message)
    ? `can never apply: ${message.replace(/^policy is impossible: /, '')}`
    : message;

/** A condition that stands both as it is and negated among what must hold together; Cedar does not look for these. */
function findContradiction({ conditions }: CedarPolicy): string | undefined {
  const required = conditions.flatMap(({ kind, body }) =>
    kind === 'when' ? conjuncts(body) : [{ '!': { arg: body } } satisfies CedarExpression],
  );
  const spelled = new Set(required.map((each) => JSON.stringify(each)));
  for (const each of required) {
    const negated = '!' in each ? (each['!'] as { arg: CedarExpression }).arg : undefined;
    if (negated !== undefined && spelled.has(JSON.stringify(negated)))
      return `\`${renderExpression(negated)}\``;
  }
  return undefined;
}

function checkPolicy(
  { name, cedar: text }: Policy,
  known: Readonly<Record<string, ReadonlySet<string>>>,
): PolicyProblem[] {
  const problem = (severity: PolicyProblem['severity'], { message, start }: CedarProblem): PolicyProblem => ({
    policy: name,
    severity,
    message,
    ...(start === undefined ? {} : { line: lineAt(text, start) }),
  });
  const parsed = parsePolicyText(text);
  if (!parsed.ok) return parsed.problems.map((each) => problem('error', each));

  const { errors, warnings } = validatePolicies(text);
  const problems = errors.map((each) => problem('error', each));
  const named = new Set<string>();
  for (const entity of parsed.policies.flatMap(({ json }) => entitiesOf(json))) {
    const spelled = `${entity.type}::${JSON.stringify(entity.id)}`;
    if (named.has(spelled) || !Object.hasOwn(known, entity.type) || known[entity.type]?.has(entity.id))
      continue;
    named.add(spelled);
    problems.push({
      policy: name,
      severity: 'error',
      message: `there is no ${spelled}`,
      ...entityLine(text, entity),
    });
  }
  // What is wrong in itself is often impossible as well, and what is impossible often so twice: once is enough.
  const told = new Set(errors.map(({ id }) => id));
  for (const each of warnings) {
    if (told.has(each.id)) continue;
    told.add(each.id);
    problems.push(problem('warning', { ...each, message: phraseWarning(each.message) }));
  }
  for (const { text: part, json } of parsed.policies) {
    const contradiction = findContradiction(json);
    if (contradiction === undefined) continue;
    const message = `can never apply: it asks for ${contradiction} and for its opposite`;
    problems.push(problem('warning', { message, start: byteLength(text.slice(0, text.indexOf(part))) }));
  }
  return problems;
}

/**
 * Syntax, schema, templates, names that nothing bears (errors), and policies that can never apply as far as Cedar's
 * validator can tell (warnings). In the order of the policies.
 */
export function checkPolicies(policies: readonly Policy[], context: PolicyContext): PolicyProblem[] {
  const known = {
    App: new Set(context.apps),
    Group: new Set(context.groups),
    Network: new Set(context.networks),
  };
  return policies.flatMap((policy) => checkPolicy(policy, known));
}
