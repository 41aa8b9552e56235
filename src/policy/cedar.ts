import * as cedar from '@cedar-policy/cedar-wasm/nodejs';
import type {
  CedarValueJson,
  DetailedError,
  EntityUidJson,
  Expr,
  PolicyJson,
} from '@cedar-policy/cedar-wasm/nodejs';
import { maxDepth, nestingOf } from './nesting.ts';
import { cedarSchema } from './schema.ts';

/**
 * The one door to Cedar's WebAssembly: text and plain values in, plain values out, no state but compiled sets.
 * A trap inside the wasm throws a `WebAssembly.RuntimeError`; callers turn that into a refusal. Its memory is not to be
 * trusted from then on, so texts that would overflow its stack are kept from it.
 */
export type CedarExpression = Expr;
export type CedarPolicy = PolicyJson;
export type CedarValue = CedarValueJson;

/** What Cedar holds against a text. Offsets are in bytes of its UTF-8 form. */
export interface CedarProblem {
  readonly message: string;
  readonly start?: number;
}

/** The static policies of a text, in the order they are written, or why there are none. */
export type CedarParse =
  | { readonly ok: true; readonly policies: readonly { readonly text: string; readonly json: CedarPolicy }[] }
  | { readonly ok: false; readonly problems: readonly CedarProblem[] };

const toProblem = (error: DetailedError): CedarProblem => {
  const message = error.message
    .replace(/for policy `[^`]*`, /, '')
    .replace(/^failed to parse policy from string: /, '');
  const location = error.sourceLocations?.[0];
  const expected = location?.label ? ` (${location.label})` : '';
  const help = error.help ? `; ${error.help}` : '';
  return {
    message: `${message}${expected}${help}`,
    ...(location === undefined ? {} : { start: location.start }),
  };
};

/** A parser that goes on after its first problem hangs the others on it. */
const withRelated = (error: DetailedError): DetailedError[] => [error, ...(error.related ?? [])];

const templatesRefused =
  'templates (?principal, ?resource) are not supported: write the user, group or application out';

const tooDeep = (depth: number): string =>
  `is ${depth} levels deep, of brackets and of operators in a row; ${maxDepth} are the most: list values in a set, or write several policies`;

/** Parses Cedar text of one or more policies. Templates are refused: nothing would ever fill their slots. */
export function parsePolicyText(text: string): CedarParse {
  const depth = nestingOf(text);
  if (depth > maxDepth) return { ok: false, problems: [{ message: tooDeep(depth) }] };
  // Nearly every resource holds one policy, and this is one pass where the general way takes two.
  const single = cedar.policyToJson(text);
  if (single.type === 'success') return { ok: true, policies: [{ text, json: single.json }] };
  const parts = cedar.policySetTextToParts(text);
  if (parts.type === 'failure')
    return { ok: false, problems: parts.errors.flatMap(withRelated).map(toProblem) };
  if (parts.policy_templates.length > 0) return { ok: false, problems: [{ message: templatesRefused }] };
  if (parts.policies.length === 0) return { ok: false, problems: [{ message: 'holds no policy' }] };
  const policies: { text: string; json: CedarPolicy }[] = [];
  // Cedar sorts parts by id as text (policy0, policy1, policy10, policy2): put them back in the order written.
  const order = parts.policies
    .map((_, index) => index)
    .sort((a, b) => (`policy${a}` < `policy${b}` ? -1 : 1));
  for (const [at, index] of order.entries()) {
    const part = parts.policies[at] ?? '';
    const json = cedar.policyToJson(part);
    if (json.type === 'failure') return { ok: false, problems: json.errors.map(toProblem) };
    policies[index] = { text: part, json: json.json };
  }
  return { ok: true, policies };
}

export interface CedarValidation {
  readonly errors: readonly (CedarProblem & { readonly id: string })[];
  readonly warnings: readonly (CedarProblem & { readonly id: string })[];
}

/** Checks policies against the schema, in strict mode. Each is judged by itself, so results can be kept by text. */
export function validatePolicies(policies: Readonly<Record<string, string>> | string): CedarValidation {
  const answer = cedar.validate({ schema: cedarSchema, policies: { staticPolicies: policies } });
  if (answer.type === 'failure') {
    return { errors: answer.errors.map((error) => ({ id: '', ...toProblem(error) })), warnings: [] };
  }
  return {
    errors: answer.validationErrors.map(({ policyId, error }) => ({ id: policyId, ...toProblem(error) })),
    warnings: answer.validationWarnings.map(({ policyId, error }) => ({ id: policyId, ...toProblem(error) })),
  };
}

/** The one entity that a policy's scope names as its principal, by `==`, `in` or `is … in`; else it is for all. */
export function principalTarget({ principal }: CedarPolicy): { type: string; id: string } | undefined {
  const target =
    'entity' in principal
      ? principal.entity
      : 'in' in principal && principal.in !== undefined && 'entity' in principal.in
        ? principal.in.entity
        : undefined;
  if (target === undefined) return undefined;
  return '__entity' in target ? target.__entity : target;
}

/** One question to a compiled set. `context` has what the policies refer to; the rest may be left out. */
export interface CedarRequest {
  readonly principal: { readonly type: 'User' | 'Device'; readonly id: string };
  readonly groups: readonly string[];
  readonly app: string;
  readonly network: string;
  readonly context: Record<string, CedarValue>;
}
export interface CedarAnswer {
  readonly allowed: boolean;
  /** Ids of the policies that decided: the forbids that hold, else the permits that do. */
  readonly determining: readonly string[];
  /** Policies that could not be evaluated, such as by an overflow. Cedar passes them over; we must not. */
  readonly errors: readonly { readonly id: string; readonly message: string }[];
}
export interface CompiledPolicySet {
  /** Throws when the set was released, or when the context cannot be read (an address that is none). */
  authorize(request: CedarRequest): CedarAnswer;
  /** Gives its place in Cedar's memory back. */
  release(): void;
}

// Cedar keeps preparsed sets by name for ever; names are used again, so that memory does not grow with each reload.
const freeSlots: string[] = [];
let slotCount = 0;

const entity = (type: string, id: string): EntityUidJson & { type: string; id: string } => ({ type, id });
const access = entity('Action', 'access');

/** Compiles policies by id for many questions, or says what Cedar holds against them. */
export function compilePolicySet(
  policies: Readonly<Record<string, string>>,
): CompiledPolicySet | { readonly problems: readonly CedarProblem[] } {
  const slot = freeSlots.pop() ?? `slice-${++slotCount}`;
  const parsed = cedar.preparsePolicySet(slot, { staticPolicies: { ...policies } });
  if (parsed.type === 'failure') {
    freeSlots.push(slot);
    return { problems: parsed.errors.map(toProblem) };
  }
  let released = false;
  return {
    authorize({ principal, groups, app, network, context }) {
      // The slot may hold another application's policies by now: answering from it would be worse than failing.
      if (released) throw new TypeError('policy set was released');
      const resource = entity('App', app);
      const answer = cedar.statefulIsAuthorized({
        principal,
        action: access,
        resource,
        context,
        preparsedPolicySetId: slot,
        entities: [
          { uid: principal, attrs: {}, parents: groups.map((group) => entity('Group', group)) },
          { uid: resource, attrs: {}, parents: [entity('Network', network)] },
        ],
      });
      if (answer.type === 'failure') throw new Error(answer.errors.map((error) => error.message).join('; '));
      const { decision, diagnostics } = answer.response;
      return {
        allowed: decision === 'allow',
        determining: diagnostics.reason,
        errors: diagnostics.errors.map(({ policyId, error }) => ({ id: policyId, message: error.message })),
      };
    },
    release() {
      if (released) return;
      released = true;
      cedar.preparsePolicySet(slot, { staticPolicies: {} });
      freeSlots.push(slot);
    },
  };
}

/**
 * Has the code of Cedar made ready, which V8 else compiles at the first question: half a second, on a busy machine, in which
 * a laptop that came over from a dead gateway waits for its first answer.
 */
export function warmCedar(): void {
  const set = compilePolicySet({
    warm: 'permit (principal, action, resource) when { context.posture.warm };',
  });
  if ('problems' in set) throw new TypeError('Cedar does not read a policy');
  try {
    const principal = { type: 'User', id: 'nobody' } as const;
    set.authorize({
      principal,
      groups: ['none'],
      app: 'none',
      network: 'none',
      context: { posture: { warm: false } },
    });
  } finally {
    set.release();
  }
}

/** `a && b && c` as its parts, left to right: a later part may be guarded by an earlier one. */
export function conjuncts(expression: CedarExpression): CedarExpression[] {
  if (!('&&' in expression)) return [expression];
  const { left, right } = expression['&&'] as { left: CedarExpression; right: CedarExpression };
  return [...conjuncts(left), ...conjuncts(right)];
}

/** An expression as Cedar text, for people. */
export function renderExpression(expression: CedarExpression): string {
  const text = textOf(expression);
  if (text === undefined) return 'an expression that is too long to show';
  return /when \{\s*([\s\S]*?)\s*\};$/.exec(text)?.[1] ?? text;
}

/** Whether an expression holds for a request; `undefined` with a message when it cannot be evaluated. */
export function evaluateExpression(
  expression: CedarExpression,
  request: CedarRequest,
): { readonly holds: boolean; readonly error?: string } {
  const text = textOf(expression);
  if (text === undefined) return { holds: false, error: 'it is too deep to be tried by itself' };
  const set = compilePolicySet({ condition: text });
  if ('problems' in set)
    return { holds: false, error: set.problems.map(({ message }) => message).join('; ') };
  try {
    const answer = set.authorize(request);
    const error = answer.errors[0]?.message;
    return error === undefined ? { holds: answer.allowed } : { holds: false, error };
  } finally {
    set.release();
  }
}

/** Undefined where it has more levels than Cedar reads as JSON, which are fewer than it reads as text. */
function textOf(expression: CedarExpression): string | undefined {
  try {
    const rendered = cedar.policyToText(conditionPolicy(expression));
    return rendered.type === 'failure' ? undefined : rendered.text;
  } catch (error) {
    if (error instanceof Error && error.name === 'RuntimeError') throw error;
    return undefined;
  }
}

const conditionPolicy = (body: CedarExpression): PolicyJson => ({
  effect: 'permit',
  principal: { op: 'All' },
  action: { op: 'All' },
  resource: { op: 'All' },
  conditions: [{ kind: 'when', body }],
});
