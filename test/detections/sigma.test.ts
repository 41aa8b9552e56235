import { readdirSync, readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { detectionRules } from '../../src/contract/sinks.ts';
import { allDetections } from '../../src/detections/all-detections.ts';
import type { Finding } from '../../src/domain/finding.ts';
import { flowRecordSchemas } from '../../src/flow/schema/classes.ts';
import { memberOf } from '../../src/flow/shipper/spool-item.ts';
import { makeFlowDirectory, openRecorder } from '../flow/flow-directory.ts';
import { deniedFacts, monday, refused } from '../flow/samples.ts';
import { recordsIn } from '../lab/flow-records.ts';
import type { ReadRecord } from '../lab/flow-records.ts';

type Value = string | number;
interface Rule {
  readonly file: string;
  readonly id: string;
  readonly name?: string;
  readonly level: string;
  readonly fields?: readonly string[];
  readonly detection?: { readonly selection: Readonly<Record<string, Value | readonly Value[]>> };
  readonly correlation?: {
    readonly rules: readonly string[];
    readonly 'group-by': readonly string[];
    readonly condition: { readonly field?: string };
  };
}
const folder = new URL('../../deploy/sigma/', import.meta.url);
const rules: readonly Rule[] = readdirSync(folder).flatMap((file) =>
  parseAllDocuments(readFileSync(new URL(file, folder), 'utf8')).map((document) => {
    if (document.errors.length > 0) throw new Error(`${file}: ${document.errors.join(', ')}`);
    return { file, ...(document.toJS() as Omit<Rule, 'file'>) };
  }),
);

/** What the Sigma specification (version 2.1) demands of rules and of correlations. */
const text = { type: 'string', minLength: 1 };
const common = {
  title: { type: 'string', maxLength: 256 },
  id: { type: 'string', pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$' },
  name: { type: 'string', pattern: '^[a-z_]+$' },
  status: { enum: ['stable', 'test', 'experimental', 'deprecated', 'unsupported'] },
  level: { enum: ['informational', 'low', 'medium', 'high', 'critical'] },
  description: text,
  author: text,
  date: { type: 'string', pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' },
  falsepositives: { type: 'array', items: text },
  tags: { type: 'array', items: { type: 'string', pattern: '^attack\\.[a-z0-9.-]+$' }, uniqueItems: true },
  file: text,
};
const value = { anyOf: [{ type: 'string' }, { type: 'integer' }] };
const validate = new Ajv2020().compile({
  type: 'object',
  oneOf: [
    {
      additionalProperties: false,
      required: ['title', 'id', 'status', 'level', 'logsource', 'detection'],
      properties: {
        ...common,
        fields: { type: 'array', items: text },
        logsource: { const: { product: 'postern', service: 'ocsf' } },
        detection: {
          type: 'object',
          additionalProperties: false,
          required: ['selection', 'condition'],
          properties: {
            selection: {
              type: 'object',
              minProperties: 1,
              additionalProperties: { anyOf: [...value.anyOf, { type: 'array', minItems: 1, items: value }] },
            },
            condition: { const: 'selection' },
          },
        },
      },
    },
    {
      additionalProperties: false,
      required: ['title', 'id', 'status', 'level', 'correlation'],
      properties: {
        ...common,
        correlation: {
          type: 'object',
          additionalProperties: false,
          required: ['type', 'rules', 'group-by', 'timespan', 'condition'],
          properties: {
            type: { enum: ['event_count', 'value_count'] },
            rules: { type: 'array', items: text },
            'group-by': { type: 'array', items: text },
            timespan: { type: 'string', pattern: '^[0-9]+[smhdwMy]$' },
            condition: {
              type: 'object',
              required: ['gte'],
              properties: { gte: { type: 'integer' }, field: text },
              additionalProperties: false,
            },
          },
        },
      },
    },
  ],
});

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
}
function has(schema: Schema, [key, ...rest]: readonly string[]): boolean {
  if (key === undefined) return true;
  if (schema.items !== undefined) return has(schema.items, [key, ...rest]);
  const member = schema.properties?.[key];
  return (
    (member !== undefined && has(member, rest)) ||
    (schema.anyOf ?? []).some((branch) => has(branch, [key, ...rest]))
  );
}
const isMember = (field: string): boolean =>
  Object.values(flowRecordSchemas).some((schema) => has(schema as Schema, field.split('.')));

const matches = ({ detection }: Rule, record: ReadRecord): boolean =>
  detection !== undefined &&
  Object.entries(detection.selection).every(([field, wanted]) =>
    [wanted].flat().some((each) => memberOf(record, ...field.split('.')) === each),
  );

/** A denied request, and a finding of each detection, as they are recorded. */
function recordEach(): ReadRecord[] {
  const directory = makeFlowDirectory();
  const recorder = openRecorder(directory);
  recorder.request(deniedFacts, refused);
  const found = [
    ...allDetections,
    { rule: 'tunnel-other-protocol', title: 'x', severity: 'medium' } as const,
  ];
  for (const { rule, title, severity } of found) {
    const finding: Finding = {
      id: rule,
      rule,
      title,
      severity,
      description: 'x',
      state: 'new',
      at: monday,
      firstSeenAt: monday,
      lastSeenAt: monday,
      user: 'alice@example.org',
      device: 'd-7f3a',
      app: 'grants',
      flows: ['f-1'],
      counts: {},
    };
    recorder.finding(finding);
    recorder.finding({ ...finding, state: 'updated' });
  }
  recorder.close();
  return recordsIn(directory);
}

describe('Sigma rules', () => {
  it.each(rules.map((rule) => [rule.file, rule] as const))(
    '%s is one, and names members of our records',
    (_, rule) => {
      expect(validate(rule), JSON.stringify(validate.errors)).toBe(true);
      const { detection, correlation, fields = [] } = rule;
      const named = [
        ...fields,
        ...Object.keys(detection?.selection ?? {}),
        ...(correlation?.['group-by'] ?? []),
        ...(correlation?.condition.field === undefined ? [] : [correlation.condition.field]),
      ];
      expect(named.filter((field) => !isMember(field))).toEqual([]);
      for (const other of correlation?.rules ?? []) expect(rules.map(({ name }) => name)).toContain(other);
    },
  );

  it('are there for each detection, have its severity, and match its findings once each', () => {
    const records = recordEach();
    for (const { rule, severity } of allDetections) {
      const found = rules.filter(({ file }) => file === `${rule}.yml`);
      expect(
        found.map(({ level }) => level),
        rule,
      ).toEqual([severity]);
      const [sigma] = found;
      const matched = records.filter((record) => sigma !== undefined && matches(sigma, record));
      expect(matched.map(({ unmapped }) => unmapped.postern['rule'])).toEqual([rule]);
    }
    expect(new Set(rules.map(({ id }) => id)).size).toBe(rules.length);
    expect(detectionRules).toHaveLength(allDetections.length);
  });

  it('for correlation match what they are to count', () => {
    const records = recordEach();
    const counted = (name: string): unknown[] => {
      const rule = rules.find((each) => each.name === name);
      return records
        .filter((record) => rule !== undefined && matches(rule, record))
        .map(({ class_uid: uid }) => uid);
    };
    expect(counted('postern_denied')).toEqual([4002]);
    expect(counted('postern_other_protocol')).toEqual([2004, 2004]);
  });
});
