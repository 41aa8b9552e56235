import { array, assert, asyncProperty, constantFrom, oneof, string } from 'fast-check';
import { expect, test } from 'vitest';
import type { FlowFacts } from '../../src/domain/flow.ts';
import { linesIn, problemsOf, recordsIn } from '../lab/flow-records.ts';
import { makeFlowDirectory, openRecorder, whenWritten } from './flow-directory.ts';
import { allowedFacts, answered, connection, monday, refused } from './samples.ts';

const anyText = oneof(
  string({ unit: 'binary' }),
  string({ unit: 'grapheme' }),
  string({
    unit: constantFrom('\n', '\r', '"', '\\', '\u0000', '\u2028', '\u202e', '\ud800', 'é', '%'),
  }),
);

test('whatever a client writes, its record is one line of printable ASCII that fits the schemas', async () => {
  const directory = makeFlowDirectory();
  const recorder = openRecorder(directory);
  let count = 0;
  await assert(
    asyncProperty(array(anyText, { minLength: 8, maxLength: 8 }), async (texts) => {
      const [
        method = '',
        authority = '',
        path = '',
        userAgent = '',
        serverName = '',
        serial = '',
        detail = '',
        os = '',
      ] = texts;
      const facts: FlowFacts = {
        ...allowedFacts,
        connection: {
          ...connection,
          source: { address: serverName, port: 1 },
          tls: { version: 'TLSv1.3', cipher: 'x', serverName },
          certificate: {
            serial,
            issuer: detail,
            subject: os,
            thumbprint: 'x',
            notBefore: 1.7e9,
            notAfter: 1.8e9,
          },
        },
        request: { method, authority, path, scheme: 'https', httpVersion: '1.1', userAgent },
      };
      const { app, ...withoutApp } = facts;
      expect(app).toBeDefined();
      recorder.request(facts, answered);
      recorder.request(withoutApp, { ...refused, detail });
      recorder.tunnelClosed(withoutApp, { ...refused, refusal: detail });
      recorder.authentication(withoutApp, { ...refused, detail });
      recorder.tunnelTraffic(facts, {
        since: monday,
        at: monday + 60_000,
        bytesIn: 1,
        bytesOut: 2,
        totalIn: 3,
        totalOut: 4,
      });
      recorder.session(facts, { kind: 'close', outcome: { ...refused, refusal: detail } });
      recorder.finding({
        id: method,
        rule: authority,
        title: path,
        description: detail,
        severity: 'high',
        state: 'new',
        at: monday,
        firstSeenAt: monday,
        lastSeenAt: monday,
        user: userAgent,
        device: serial,
        app: os,
        flows: [serverName],
        counts: { [detail]: 1 },
      });
      count += 7;
      await whenWritten(recorder);
    }),
    { numRuns: 150 },
  );
  const lines = linesIn(directory);
  expect(lines).toHaveLength(count);
  expect(lines.filter((line) => !/^[\x20-\x7e]+$/.test(line))).toEqual([]);
  expect(recordsIn(directory).flatMap(problemsOf)).toEqual([]);
});

test('texts that are too long are cut, and the record says which', async () => {
  const directory = makeFlowDirectory();
  const recorder = openRecorder(directory);
  const long = 'x'.repeat(100_000);
  const { request } = allowedFacts;
  recorder.request(
    { ...allowedFacts, ...(request && { request: { ...request, path: `/${long}`, userAgent: long } }) },
    answered,
  );
  recorder.request(allowedFacts, answered);
  await whenWritten(recorder);
  const [cut, whole] = recordsIn(directory);
  expect(cut?.unmapped.postern['truncated']).toEqual(['path', 'userAgent']);
  expect(cut?.metadata).toMatchObject({ is_truncated: true });
  expect(JSON.stringify(cut).length).toBeLessThan(7000);
  expect(whole?.unmapped.postern['truncated']).toEqual([]);
  expect(
    [cut, whole].flatMap((record) => (record === undefined ? ['no record'] : problemsOf(record))),
  ).toEqual([]);
});
