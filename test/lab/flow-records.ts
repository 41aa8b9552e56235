import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { flowRecordSchemas } from '../../src/flow/schema/classes.ts';
import { parseSegmentName } from '../../src/flow/segment-names.ts';
import { validateOcsf } from './ocsf.ts';

export const segmentsIn = (directory: string): string[] =>
  readdirSync(directory)
    .filter((name) => parseSegmentName(name) !== undefined)
    .toSorted();

export const linesIn = (directory: string): string[] =>
  segmentsIn(directory).flatMap((name) =>
    readFileSync(join(directory, name), 'utf8').split('\n').slice(0, -1),
  );

export interface ReadRecord {
  readonly [member: string]: unknown;
  readonly class_uid: keyof typeof flowRecordSchemas;
  readonly type_uid: number;
  readonly metadata: { readonly sequence: number; readonly [member: string]: unknown };
  readonly unmapped: { readonly postern: Readonly<Record<string, unknown>> };
}

export const recordsIn = (directory: string): ReadRecord[] =>
  linesIn(directory).map((line) => JSON.parse(line) as ReadRecord);

const ajv = new Ajv2020({ strict: false, allErrors: true });
const validators = Object.fromEntries(
  Object.entries(flowRecordSchemas).map(([classUid, schema]) => [classUid, ajv.compile(schema)]),
);

/** What our own schema of its class finds wrong, and what OCSF does. */
export function problemsOf(record: ReadRecord): string[] {
  const validate = validators[record.class_uid];
  if (validate === undefined) return [`class ${record.class_uid} is not ours`];
  const ours = validate(record)
    ? []
    : (validate.errors ?? []).map(({ instancePath, message }) => `ours: ${instancePath} ${message}`);
  return [...ours, ...validateOcsf(record)];
}
