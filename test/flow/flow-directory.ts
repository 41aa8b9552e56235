import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { onTestFinished } from 'vitest';
import { createFlowRecorder } from '../../src/flow/recorder.ts';
import type { FlowRecorderOptions, SpoolingFlowRecorder } from '../../src/flow/recorder.ts';
import { flowRecordSchemas } from '../../src/flow/schema.ts';
import { parseSegmentName } from '../../src/flow/segment-names.ts';
import { hasOcsfSchemas, validateOcsf } from '../lab/ocsf.ts';
import { monday } from './samples.ts';

export function makeFlowDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'postern-flow-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export function openRecorder(
  directory: string,
  options: Partial<FlowRecorderOptions> = {},
): SpoolingFlowRecorder {
  const recorder = createFlowRecorder({
    directory,
    gateway: 'gateway.example.org',
    domain: 'example.org',
    bootId: 'boot-1',
    worker: 1,
    productVersion: '0.1.0',
    now: () => monday + 1000,
    ...options,
  });
  onTestFinished(() => recorder.close());
  return recorder;
}

export const whenWritten = (recorder: SpoolingFlowRecorder): Promise<void> =>
  new Promise((resolve) => recorder.whenWritten(resolve));

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

/** What our own schema of its class finds wrong, and the published one where it is at hand. */
export function problemsOf(record: ReadRecord): string[] {
  const validate = validators[record.class_uid];
  if (validate === undefined) return [`class ${record.class_uid} is not ours`];
  const ours = validate(record)
    ? []
    : (validate.errors ?? []).map(({ instancePath, message }) => `ours: ${instancePath} ${message}`);
  return [...ours, ...(hasOcsfSchemas ? validateOcsf(record) : [])];
}
