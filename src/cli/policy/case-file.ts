import { Type } from 'typebox';
import type { Static } from 'typebox';
import { checkShape, formatPath } from '../../domain/check-shape.ts';
import type { Path } from '../../domain/check-shape.ts';
import { deviceStates, flowRoles } from '../../domain/device.ts';
import { postureCriteria } from '../../domain/posture.ts';
import { readInputs } from '../resource-files/read-inputs.ts';
import { parseYamlDocuments } from '../resource-files/yaml-documents.ts';
import type { LocatedValue } from '../resource-files/yaml-documents.ts';
import type { FileProblem } from '../resource-files.ts';

/** What people write for `postern policy test`: who asks for what, in which state, and what the answer has to be. */
const strict = { additionalProperties: false } as const;
const Name = Type.String({ minLength: 1, maxLength: 254 });
const Age = Type.Integer({ minimum: 0, maximum: 9_000_000_000 });
const Checked = Type.Union([Type.Literal(true), Type.Literal(false), Type.Literal('unknown')]);

const situation = {
  user: Type.Optional(Name),
  groups: Type.Optional(Type.Array(Name)),
  claims: Type.Optional(Type.Array(Type.Object({ claim: Name, value: Name }, strict))),
  device: Type.Optional(
    Type.Object(
      {
        id: Type.Optional(Name),
        role: Type.Optional(Type.Enum(flowRoles)),
        state: Type.Optional(Type.Enum(deviceStates)),
        enrolledAgeSeconds: Type.Optional(Age),
      },
      strict,
    ),
  ),
  posture: Type.Optional(
    Type.Object(
      {
        missing: Type.Optional(Type.Boolean()),
        ...Object.fromEntries(postureCriteria.map((name) => [name, Type.Optional(Checked)])),
        ageSeconds: Type.Optional(Age),
        os: Type.Optional(Type.String()),
        osVersion: Type.Optional(Type.String()),
        kernelVersion: Type.Optional(Type.String()),
        agentVersion: Type.Optional(Type.String()),
      },
      strict,
    ),
  ),
  signIn: Type.Optional(
    Type.Object(
      {
        missing: Type.Optional(Type.Boolean()),
        ageSeconds: Type.Optional(Age),
        mfa: Type.Optional(Type.Boolean()),
      },
      strict,
    ),
  ),
  app: Type.Optional(Name),
  request: Type.Optional(
    Type.Object(
      {
        method: Type.Optional(
          Type.String({ pattern: '^[A-Z]{1,32}$', description: 'in capitals, such as GET' }),
        ),
        path: Type.Optional(Type.String({ pattern: '^/', description: 'begins with a slash' })),
        source: Type.Optional(Name),
      },
      strict,
    ),
  ),
  at: Type.Optional(
    Type.String({
      pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}Z$',
      description: 'UTC, such as 2026-11-26T08:30:00Z',
    }),
  ),
};
const Situation = Type.Object(situation, strict);

const CaseFile = Type.Object(
  {
    defaults: Type.Optional(Situation),
    cases: Type.Array(
      Type.Object(
        {
          name: Name,
          ...situation,
          expect: Type.Enum(['allow', 'deny', 'challenge']),
          reasons: Type.Optional(Type.Array(Name)),
          policies: Type.Optional(Type.Array(Name)),
        },
        strict,
      ),
      { minItems: 1, maxItems: 100_000 },
    ),
  },
  strict,
);
type CaseFile = Static<typeof CaseFile>;
export type PolicyCase = CaseFile['cases'][number];

export interface LocatedCase {
  readonly case: PolicyCase;
  readonly file: string;
  readonly line: number;
  /** Line of a part of it. */
  readonly lineOf: (path: Path) => number;
}

/** Cases with the defaults of their file in place, or everything that is wrong with the files. Nothing throws. */
export async function loadCases(
  paths: readonly string[],
): Promise<{ readonly cases: readonly LocatedCase[]; readonly problems: readonly FileProblem[] }> {
  const cases: LocatedCase[] = [];
  const problems: FileProblem[] = [];
  for (const input of await readInputs(paths, process.stdin)) {
    const { file } = input;
    if (input.problem !== undefined) {
      problems.push({ file, key: '', message: input.problem });
      continue;
    }
    const parsed = parseYamlDocuments(input.text);
    problems.push(...parsed.problems.map((problem) => ({ file, ...problem })));
    if (parsed.values.length === 0 && parsed.problems.length === 0)
      problems.push({ file, key: '', message: 'holds no cases' });
    for (const located of parsed.values) {
      const found = checkShape(CaseFile, located.value);
      for (const { path, message } of found)
        problems.push({ file, line: located.lineOf(path), key: formatPath(path), message });
      if (found.length === 0) cases.push(...casesOf(located.value as CaseFile, file, located));
    }
  }
  return { cases, problems };
}

const casesOf = ({ defaults = {}, cases }: CaseFile, file: string, located: LocatedValue): LocatedCase[] =>
  cases.map((each, index) => ({
    case: withDefaults(each, defaults),
    file,
    line: located.lineOf(['cases', index]),
    lineOf: (path) => located.lineOf(['cases', index, ...path]),
  }));

/** What a case says counts; of posture, device, request and sign-in, what it leaves out is as in the defaults. */
const withDefaults = (each: PolicyCase, defaults: NonNullable<CaseFile['defaults']>): PolicyCase => {
  const merged: Record<string, unknown> = { ...defaults, ...each };
  for (const part of ['device', 'posture', 'signIn', 'request'] as const)
    if (defaults[part] !== undefined) merged[part] = { ...defaults[part], ...each[part] };
  const filled = merged as PolicyCase;
  // Nobody signs in on a machine: the user of the defaults is not of its cases.
  if (filled.device?.role === 'machine' && each.user === undefined) delete filled.user;
  return filled;
};
