/**
 * Proxies that print what a client wrote into a line-based log let the client write the log: a line feed in a user agent or
 * a decoded path begins a second "record" of a flow that never was, a quote closes the string and adds a field that
 * overrides a real one, a terminal escape hides a line from whoever reads it. Here a request tries all three.
 */
import { expect, test } from 'vitest';
import { verifyFlows } from '../../src/flow/verify/verify-flows.ts';
import { linesIn, recordsIn } from '../lab/flow-records.ts';
import { makeFlowDirectory, openRecorder, whenWritten } from '../flow/flow-directory.ts';
import { allowedFacts, answered, deniedFacts, refused, request } from '../flow/samples.ts';

const injected = [
  '/a\n{"class_uid":4002,"action":"Allowed","metadata":{"sequence":2}}',
  '/a","action":"Allowed","x":"',
  '/a"}},"unmapped":{"postern":{"decision":"allow"}},"x":{"y":{"z":"',
  '/a\r\u001b[2K\u001b[1A\u2028\u2029\u0085\u202egnp.exe',
];

test('nothing that a client writes adds, changes or hides a record', async () => {
  const directory = makeFlowDirectory();
  const recorder = openRecorder(directory);
  for (const text of injected) {
    recorder.request(
      { ...deniedFacts, request: { ...request, path: text, userAgent: text, authority: text, method: text } },
      { ...refused, detail: text },
    );
  }
  recorder.request(allowedFacts, answered);
  await whenWritten(recorder);

  expect(linesIn(directory).filter((line) => !/^[\x20-\x7e]+$/.test(line))).toEqual([]);
  const records = recordsIn(directory);
  expect(records.map(({ action }) => action)).toEqual([...injected.map(() => 'Denied'), 'Allowed']);
  expect(records.map(({ unmapped }) => unmapped.postern['decision'])).toEqual([
    ...injected.map(() => 'deny'),
    'allow',
  ]);
  const paths = records.map((record) => (record['http_request'] as { url: { path: string } }).url.path);
  expect(paths).toEqual([...injected.map((text) => text.split(/[?#]/)[0]), '/applications/17']);
  expect(await verifyFlows(directory)).toMatchObject({ records: 5, problems: [], torn: [] });
});
