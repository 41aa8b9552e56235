import { conjuncts, parsePolicyText, renderExpression, validatePolicies } from './cedar.ts';
import type { CedarExpression, CedarPolicy, CedarProblem } from './cedar.ts';
import { namesMachines } from './parsed-policy.ts';
import { mentionsState } from './policy-usage.ts';
import { requirementsOf } from './requirements.ts';
import type { EntityName, Requirement } from './requirements.ts';

export interface Finding {
  readonly severity: 'error' | 'warning';
  readonly message: string;
  /** Line within the text, from 1. */
  readonly line?: number;
}

/** What the text of a Policy resource says by itself, whatever else exists. */
export interface PolicyReading {
  /** Syntax and schema; that it can never apply. */
  readonly findings: readonly Finding[];
  /** Every entity that it names, once each. */
  readonly entities: readonly (EntityName & { readonly line?: number })[];
  /** Its policies as far as they can be compared; none of a text with errors, nor those that can never apply. */
  readonly rules: readonly {
    readonly effect: 'permit' | 'forbid';
    readonly requirements: readonly Requirement[];
    readonly mentionsState: boolean;
    readonly namesMachines: boolean;
    readonly line: number;
  }[];
}

/** Reads many texts at once, which costs little more than reading one. What was read is remembered by its text. */
export type PolicyReader = (texts: Iterable<string>) => (text: string) => PolicyReading;

/** A text kept beside those of the last reading: what was just taken out may come back. */
const sparePlaces = 1000;

export function createPolicyTextReader(): PolicyReader {
  let known = new Map<string, PolicyReading>();
  return (texts) => {
    const wanted = new Set(texts);
    const fresh = readTexts([...wanted].filter((text) => !known.has(text)));
    const readings = new Map([...wanted].map((text) => [text, fresh.get(text) ?? known.get(text)] as const));
    if (known.size + fresh.size > wanted.size + sparePlaces) known = new Map();
    for (const [text, reading] of readings) if (reading !== undefined) known.set(text, reading);
    return (text) => {
      const reading = readings.get(text);
      if (reading === undefined) throw new TypeError('a text that was not given to be read');
      return reading;
    };
  };
}

/** Cedar counts in bytes of UTF-8, so an accent in a comment must not move the line. */
function lineAt(text: string, byteOffset: number): number {
  const before = new TextEncoder().encode(text).subarray(0, byteOffset);
  return 1 + before.reduce((lines, byte) => (byte === 0x0a ? lines + 1 : lines), 0);
}

interface Part {
  readonly text: string;
  readonly json: CedarPolicy;
  /** Where it stands in the whole, in characters. */
  readonly offset: number;
}

function readTexts(texts: readonly string[]): Map<string, PolicyReading> {
  const readings = new Map<string, PolicyReading>();
  const parsed = new Map<string, readonly Part[]>();
  const toValidate: Record<string, string> = {};
  for (const [index, text] of texts.entries()) {
    const result = parsePolicyText(text);
    if (!result.ok) {
      const findings = result.problems.map((problem) => toFinding('error', text, 0, problem));
      readings.set(text, { findings, entities: [], rules: [] });
      continue;
    }
    const parts = locateParts(text, result.policies);
    parsed.set(text, parts);
    for (const [at, part] of parts.entries()) toValidate[idOf(index, at)] = part.text;
  }
  const { errors, warnings } = validatePolicies(toValidate);
  const errorsById = Map.groupBy(errors, ({ id }) => id);
  const warningsById = Map.groupBy(warnings, ({ id }) => id);
  for (const [index, text] of texts.entries()) {
    const parts = parsed.get(text);
    if (parts === undefined) continue;
    const found = parts.map((part, at) => {
      const id = idOf(index, at);
      // A failure of the validator as a whole has no id, and then nothing was validated.
      const problems = [...(errorsById.get('') ?? []), ...(errorsById.get(id) ?? [])];
      return { part, ...judgePart(text, part, problems, warningsById.get(id) ?? []) };
    });
    const hasErrors = found.some(({ findings }) => findings.some(({ severity }) => severity === 'error'));
    readings.set(text, {
      findings: found.flatMap(({ findings }) => findings),
      entities: entitiesOf(parts.map(({ json }) => json)).map((entity) => ({
        ...entity,
        ...entityLine(text, entity),
      })),
      rules: hasErrors
        ? []
        : found.flatMap(({ part, findings }) => {
            const requirements = findings.length === 0 ? requirementsOf(part.json) : undefined;
            if (requirements === undefined) return [];
            const line = text.slice(0, part.offset).split('\n').length;
            return [
              {
                effect: part.json.effect,
                requirements,
                mentionsState: mentionsState(part.json),
                namesMachines: namesMachines(part.json),
                line,
              },
            ];
          }),
    });
  }
  return readings;
}

const idOf = (text: number, part: number): string => `${text}#${part}`;

function locateParts(text: string, policies: readonly Pick<Part, 'text' | 'json'>[]): Part[] {
  let from = 0;
  return policies.map(({ text: part, json }) => {
    const offset = Math.max(from, text.indexOf(part, from));
    from = offset + part.length;
    return { text: part, json, offset };
  });
}

function toFinding(
  severity: Finding['severity'],
  text: string,
  offset: number,
  { message, start }: CedarProblem,
): Finding {
  if (start === undefined) return { severity, message };
  return { severity, message, line: lineAt(text, byteLength(text.slice(0, offset)) + start) };
}

const byteLength = (text: string): number => new TextEncoder().encode(text).length;

/** What is wrong in itself is often impossible as well, and what is impossible often so twice: once is enough. */
function judgePart(
  text: string,
  { json, offset }: Part,
  errors: readonly CedarProblem[],
  warnings: readonly CedarProblem[],
): { findings: Finding[] } {
  if (errors.length > 0) return { findings: errors.map((error) => toFinding('error', text, offset, error)) };
  const findings = warnings
    .slice(0, 1)
    .map(({ message, ...place }) =>
      toFinding('warning', text, offset, { ...place, message: phraseWarning(message) }),
    );
  const contradiction = findContradiction(json);
  if (contradiction !== undefined) {
    const message = `can never apply: it asks for ${contradiction} and for its opposite`;
    findings.push(toFinding('warning', text, offset, { message, start: 0 }));
  }
  return { findings };
}

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

function isEntityName(value: unknown): value is EntityName {
  const { type, id } = (value ?? {}) as { type?: unknown; id?: unknown };
  return typeof type === 'string' && typeof id === 'string';
}

function entitiesOf(policies: readonly CedarPolicy[]): EntityName[] {
  const found = new Map<string, EntityName>();
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      if ((key === '__entity' || key === 'entity') && isEntityName(inner))
        found.set(JSON.stringify([inner.type, inner.id]), { type: inner.type, id: inner.id });
      else visit(inner);
    }
  };
  for (const { principal, resource, conditions } of policies) visit([principal, resource, conditions]);
  return [...found.values()];
}

/** First line where an entity stands as people write it; none where it is spelled with escapes or spaces. */
function entityLine(text: string, { type, id }: EntityName): { line: number } | undefined {
  const at = text.indexOf(`${type}::${JSON.stringify(id)}`);
  return at < 0 ? undefined : { line: text.slice(0, at).split('\n').length };
}
