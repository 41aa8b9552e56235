import type { Policy } from '../domain/resources.ts';
import { conjuncts, parsePolicyText, renderExpression, validatePolicies } from './cedar.ts';
import type { CedarExpression, CedarParse, CedarPolicy, CedarProblem, CedarValidation } from './cedar.ts';

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

/** What can be held against a text whatever else there is, and the entities that it names. */
interface TextFindings {
  readonly errors: readonly TextProblem[];
  readonly warnings: readonly TextProblem[];
  /** Each once; `spelled` as in `Group::"finance"`. */
  readonly names: readonly (EntityName & { readonly spelled: string })[];
}
type TextProblem = Omit<PolicyProblem, 'policy' | 'severity'>;
type PolicyParts = Extract<CedarParse, { ok: true }>['policies'];

// Whoever changes one policy of thousands has all checked, so what was found in a text is kept while it is in use.
let judged = new Map<string, TextFindings>();
const maxJudged = 20_000;

const textProblem = (text: string, { message, start }: CedarProblem): TextProblem => ({
  message,
  ...(start === undefined ? {} : { line: lineAt(text, start) }),
});

function findingsOf(text: string, parts: PolicyParts, validation: CedarValidation): TextFindings {
  const names = new Map<string, EntityName & { readonly spelled: string }>();
  for (const entity of parts.flatMap(({ json }) => entitiesOf(json))) {
    const spelled = `${entity.type}::${JSON.stringify(entity.id)}`;
    names.set(spelled, { ...entity, spelled });
  }
  // What is wrong in itself is often impossible as well, and what is impossible often so twice: once is enough.
  const told = new Set(validation.errors.map(({ id }) => id));
  const warnings: TextProblem[] = [];
  for (const each of validation.warnings) {
    if (told.has(each.id)) continue;
    told.add(each.id);
    warnings.push(textProblem(text, { ...each, message: phraseWarning(each.message) }));
  }
  for (const { text: part, json } of parts) {
    const contradiction = findContradiction(json);
    if (contradiction === undefined) continue;
    const message = `can never apply: it asks for ${contradiction} and for its opposite`;
    warnings.push(textProblem(text, { message, start: byteLength(text.slice(0, text.indexOf(part))) }));
  }
  return {
    errors: validation.errors.map((each) => textProblem(text, each)),
    warnings,
    names: [...names.values()],
  };
}

/** Judges the texts that were not judged before. Cedar validates many at once for a tenth of what each by itself costs. */
function judgeTexts(texts: Iterable<string>): void {
  const single = new Map<string, { readonly text: string; readonly parts: PolicyParts }>();
  for (const text of texts) {
    if (judged.has(text)) continue;
    const parsed = parsePolicyText(text);
    if (!parsed.ok) {
      const errors = parsed.problems.map((each) => textProblem(text, each));
      judged.set(text, { errors, warnings: [], names: [] });
    } else if (parsed.policies.length > 1)
      judged.set(text, findingsOf(text, parsed.policies, validatePolicies(text)));
    else single.set(String(single.size), { text, parts: parsed.policies });
  }
  if (single.size === 0) return;
  const { errors, warnings } = validatePolicies(
    Object.fromEntries([...single].map(([id, { text }]) => [id, text])),
  );
  const errorsById = Map.groupBy(errors, ({ id }) => id);
  const warningsById = Map.groupBy(warnings, ({ id }) => id);
  // A failure of the whole names no policy.
  const general = errorsById.get('') ?? [];
  for (const [id, { text, parts }] of single) {
    const own = [...general, ...(errorsById.get(id) ?? [])];
    judged.set(text, findingsOf(text, parts, { errors: own, warnings: warningsById.get(id) ?? [] }));
  }
}

/**
 * Syntax, schema, templates, names that nothing bears (errors), and policies that can never apply as far as Cedar's
 * validator can tell (warnings). In the order of the policies.
 */
export function checkPolicies(policies: readonly Policy[], context: PolicyContext): PolicyProblem[] {
  const known: Readonly<Record<string, ReadonlySet<string>>> = {
    App: new Set(context.apps),
    Group: new Set(context.groups),
    Network: new Set(context.networks),
  };
  const texts = new Set(policies.map(({ cedar }) => cedar));
  judgeTexts(texts);
  const result = policies.flatMap((policy): PolicyProblem[] => {
    const found = judged.get(policy.cedar);
    if (found === undefined) throw new TypeError('a policy was not judged');
    const { errors, warnings, names } = found;
    const unknown = names.filter(({ type, id }) => Object.hasOwn(known, type) && !known[type]?.has(id));
    const problems = [
      ...errors,
      ...unknown.map((entity) => ({
        message: `there is no ${entity.spelled}`,
        ...entityLine(policy.cedar, entity),
      })),
    ];
    return [
      ...problems.map((each) => ({ policy: policy.name, severity: 'error', ...each }) as const),
      ...warnings.map((each) => ({ policy: policy.name, severity: 'warning', ...each }) as const),
    ];
  });
  if (judged.size > maxJudged) judged = new Map([...judged].filter(([text]) => texts.has(text)));
  return result;
}
