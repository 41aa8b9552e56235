import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { formatFrame, parseFrame } from '../../src/flow/frames/frame.ts';
import { createRecordReader } from '../../src/flow/frames/record-reader.ts';
import type { StoredRecord } from '../../src/flow/frames/record-reader.ts';
import { flowRecordSchemas } from '../../src/flow/schema/classes.ts';
import { parseSegmentName } from '../../src/flow/spool/segment-names.ts';
import { validateOcsf } from './ocsf.ts';

export const segmentsIn = (directory: string): string[] =>
  readdirSync(directory)
    .filter((name) => parseSegmentName(name) !== undefined)
    .toSorted();

/** Lines of a segment as they stand in it. */
export const framesIn = (path: string): string[] => readFileSync(path, 'latin1').split('\n').slice(0, -1);

/** The line of a segment with other bytes in it, its length and checksum made to fit: as who knows how they are made would write it. */
export function reframe(line: string, change: (payload: string) => string): string {
  const frame = parseFrame(Buffer.from(line, 'latin1'));
  if (frame === undefined) throw new Error(`no line of a segment: ${line}`);
  return formatFrame(frame.kind, change(frame.payload.toString('latin1')));
}

const storedIn = (path: string): StoredRecord[] => {
  const reader = createRecordReader();
  let offset = 0;
  return framesIn(path).flatMap((line) => {
    const read = reader.read(Buffer.from(line, 'latin1'), offset);
    offset += line.length + 1;
    if (read === undefined) throw new Error(`${path}: no record: ${line}`);
    return read === 'context' ? [] : read;
  });
};

/** Records as a receiver sees them, a line each. */
export const linesIn = (directory: string): string[] =>
  segmentsIn(directory).flatMap((name) => storedIn(join(directory, name)).map(({ text }) => text));

export interface ReadRecord {
  readonly [member: string]: unknown;
  readonly class_uid: keyof typeof flowRecordSchemas;
  readonly type_uid: number;
  readonly metadata: { readonly sequence: number; readonly [member: string]: unknown };
  readonly unmapped: { readonly postern: Readonly<Record<string, unknown>> };
}

export const recordsIn = (directory: string): ReadRecord[] =>
  segmentsIn(directory).flatMap((name) =>
    storedIn(join(directory, name)).map(({ record }) => record as unknown as ReadRecord),
  );

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
