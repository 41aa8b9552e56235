import { describe, expect, test } from 'vitest';
import { hasOcsfSchemas, ocsfSchemasHint, validateOcsf } from '../lab/ocsf.ts';
import { makeFlowDirectory, openRecorder, recordsIn, whenWritten } from './flow-directory.ts';
import { recordEveryKind } from './every-record.ts';
import { allowedFacts, answered } from './samples.ts';

describe.skipIf(!hasOcsfSchemas)(`the published OCSF schemas${ocsfSchemasHint}`, () => {
  test('accept a record of every kind that a worker writes', async () => {
    const directory = makeFlowDirectory();
    const recorder = openRecorder(directory);
    recordEveryKind(recorder);
    await whenWritten(recorder);
    expect(recordsIn(directory).map((record) => validateOcsf(record))).toEqual(
      recordsIn(directory).map(() => []),
    );
  });

  test('refuse what the schema or the prose of OCSF forbids', async () => {
    const directory = makeFlowDirectory();
    const recorder = openRecorder(directory);
    recorder.request(allowedFacts, answered);
    await whenWritten(recorder);
    const [record] = recordsIn(directory);
    if (record === undefined) throw new Error('no record');
    expect(validateOcsf(record)).toEqual([]);
    expect(validateOcsf({ ...record, surprise: 1 })).toHaveLength(1);
    expect(validateOcsf({ ...record, type_uid: 400204 })).toHaveLength(1);
    expect(validateOcsf({ ...record, time: 1_767_600_000 })).toHaveLength(1);
    const { activity_name: _, ...unnamed } = record;
    expect(validateOcsf({ ...unnamed, activity_id: 99, type_uid: 400299 })).toHaveLength(1);
    expect(validateOcsf({ ...record, metadata: { ...record.metadata, profiles: ['host'] } })).not.toEqual([]);
    expect(validateOcsf({ ...record, metadata: { ...record.metadata, version: '1.7.0' } })).toHaveLength(1);
  });
});
