import { expect, test } from 'vitest';
import { recordsIn } from '../lab/flow-records.ts';
import type { ReadRecord } from '../lab/flow-records.ts';
import { hasOcsfSchemas, validateOcsf } from '../lab/ocsf.ts';
import { makeFlowDirectory, openRecorder, whenWritten } from './flow-directory.ts';
import { recordEveryKind } from './every-record.ts';
import { allowedFacts, answered } from './samples.ts';

async function recordOne(): Promise<ReadRecord> {
  const directory = makeFlowDirectory();
  const recorder = openRecorder(directory);
  recorder.request(allowedFacts, answered);
  await whenWritten(recorder);
  const [record] = recordsIn(directory);
  if (record === undefined) throw new Error('no record');
  return record;
}

const by = hasOcsfSchemas ? 'its published schemas and its prose' : 'its prose; its schemas are not at hand';

test(`OCSF accepts a record of every kind that a worker writes (by ${by})`, async () => {
  const directory = makeFlowDirectory();
  const recorder = openRecorder(directory);
  recordEveryKind(recorder);
  await whenWritten(recorder);
  expect(recordsIn(directory).map((record) => validateOcsf(record))).toEqual(
    recordsIn(directory).map(() => []),
  );
});

test('the prose of OCSF refuses another type, a time in seconds, an unnamed Other and an undeclared profile', async () => {
  const record = await recordOne();
  expect(validateOcsf(record)).toEqual([]);
  expect(validateOcsf({ ...record, type_uid: 400204 })).toHaveLength(1);
  expect(validateOcsf({ ...record, time: 1_767_600_000 })).toHaveLength(1);
  const { activity_name: _, ...unnamed } = record;
  expect(validateOcsf({ ...unnamed, activity_id: 99, type_uid: 400299 })).toHaveLength(1);
  expect(validateOcsf({ ...record, metadata: { ...record.metadata, profiles: ['host'] } })).not.toEqual([]);
  expect(validateOcsf({ ...record, metadata: { ...record.metadata, version: '1.7.0' } })).toHaveLength(1);
});

// Where the schemas are not at hand there is nothing to refuse by: the suite that runs says so in the title above.
if (hasOcsfSchemas)
  test('the published schema of a class refuses what it does not know and what it needs', async () => {
    const record = await recordOne();
    expect(validateOcsf({ ...record, surprise: 1 })).toHaveLength(1);
    const { severity_id: _, ...lacking } = record;
    expect(validateOcsf(lacking)).not.toEqual([]);
  });
