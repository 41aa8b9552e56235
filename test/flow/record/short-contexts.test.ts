import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { FlowFacts } from '../../../src/domain/flow.ts';
import type { FlowId, UserName } from '../../../src/domain/ids.ts';
import { app } from '../../lab/resources.ts';
import { framesIn, recordsIn, segmentsIn } from '../../lab/flow-records.ts';
import type { ReadRecord } from '../../lab/flow-records.ts';
import { makeFlowDirectory, openRecorder, whenWritten } from '../flow-directory.ts';
import { allow, allowedFacts, answered, connection, request, subject, upstream } from '../samples.ts';

/** The kinds of the lines of one connection whose requests go to so many applications in turn, three times. */
async function linesOf(applications: number): Promise<string[]> {
  const directory = makeFlowDirectory();
  const recorder = openRecorder(directory);
  const targets = Array.from({ length: applications }, (_, index) => ({
    app: app({ name: `app-${index}` }),
    upstream: { ...upstream, port: 8000 + index },
  }));
  for (let round = 0; round < 3; round += 1) {
    for (const target of targets) recorder.request({ ...allowedFacts, ...target }, answered);
    await whenWritten(recorder);
  }
  recorder.close();
  const names = recordsIn(directory).map(({ unmapped }) => unmapped.postern['app']);
  expect(names).toEqual([targets, targets, targets].flatMap((each) => each.map((target) => target.app.name)));
  return framesIn(join(directory, segmentsIn(directory)[0] ?? '')).map((line) => line.charAt(2));
}

test('what the requests of a laptop have in common is written once for each of its applications, not with each record', async () => {
  expect(await linesOf(16)).toEqual([...Array<string>(16).fill('c'), 's', 's', 's']);
});

test('of one that has more open than is remembered it is written again, and no record says another application', async () => {
  expect(await linesOf(17)).toEqual([
    ...Array<string>(17).fill('c'),
    's',
    ...Array<string>(17).fill('c'),
    's',
    ...Array<string>(17).fill('c'),
    's',
  ]);
});

test('a request is not taken for the one before it that differs from it in anything', async () => {
  const directory = makeFlowDirectory();
  const recorder = openRecorder(directory);
  const token = { ...subject.token, id: 'jti-4243', user: 'bob@example.org' as UserName };
  const others: readonly Partial<FlowFacts>[] = [
    { subject: { ...subject, token } },
    { app: app({ name: 'payroll', host: 'payroll.apps.example.org' }) },
    { decision: { ...allow, policyVersion: '13-00000000' } },
    { upstream: { ...upstream, port: 8081 } },
    { connection: { ...connection, id: '019b8c4e-1111-7000-8000-000000000009' as FlowId } },
    { request: { ...request, method: 'POST' } },
    { request: { ...request, authority: 'grants.apps.example.org' } },
    { request: { ...request, userAgent: 'curl/8' } },
    { request: { ...request, httpVersion: '2.0' } },
    { request: { ...request, scheme: 'http' } },
    { request: { ...request, path: `/${'x'.repeat(5000)}` } },
    { inspections: { waf: { state: 'done' } } },
  ];
  for (const other of others) {
    recorder.request(allowedFacts, answered);
    recorder.request({ ...allowedFacts, ...other }, answered);
  }
  recorder.request(allowedFacts, answered);
  recorder.close();
  const own = ({ unmapped, ...record }: ReadRecord): unknown => {
    const { previous: _p, batch: _b, context: _c, ...postern } = unmapped.postern;
    return { ...record, metadata: undefined, unmapped: postern };
  };
  const records = recordsIn(directory).map(own);
  expect(records).toHaveLength(2 * others.length + 1);
  for (const [index, other] of others.entries()) {
    const alone = makeFlowDirectory();
    const fresh = openRecorder(alone);
    fresh.request({ ...allowedFacts, ...other }, answered);
    fresh.close();
    expect(records[2 * index]).toEqual(records[0]);
    expect(records[2 * index + 1]).toEqual(recordsIn(alone).map(own)[0]);
    expect(records[2 * index + 1]).not.toEqual(records[0]);
  }
});
