import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Decision } from '../../src/domain/decision.ts';
import type { FlowFacts } from '../../src/domain/flow.ts';
import { problemsOf, recordsIn, segmentsIn } from '../lab/flow-records.ts';
import { recordEveryKind } from './every-record.ts';
import { makeFlowDirectory, openRecorder, whenWritten } from './flow-directory.ts';
import { allow, allowedFacts, answered, deniedFacts, monday, refused, request, upstream } from './samples.ts';

describe('a flow record', () => {
  test('of every kind fits our own schema of its class, and OCSF where its schemas are at hand', async () => {
    const directory = makeFlowDirectory();
    const recorder = openRecorder(directory);
    const count = recordEveryKind(recorder);
    await whenWritten(recorder);
    const records = recordsIn(directory);
    expect(records).toHaveLength(count);
    expect(records.map(problemsOf)).toEqual(records.map(() => []));
    expect(new Set(records.map((record) => record.type_uid))).toEqual(
      new Set([
        300201, 400203, 400200, 400299, 400209, 400101, 400106, 400102, 400105, 400104, 401401, 401402,
        401403, 300499, 200401, 200402, 200403,
      ]),
    );
  });

  test('says who, with what, where to, under which policy, and how it went', async () => {
    const directory = makeFlowDirectory();
    const recorder = openRecorder(directory);
    recorder.request(allowedFacts, answered);
    await whenWritten(recorder);
    expect(recordsIn(directory)[0]).toMatchObject({
      type_uid: 400203,
      activity_name: 'Get',
      time: monday + 25,
      duration: 25,
      action: 'Allowed',
      status_id: 1,
      metadata: { version: '1.8.0', sequence: 1, correlation_uid: allowedFacts.id },
      http_request: {
        http_method: 'GET',
        url: { hostname: 'grants.apps.example.org', port: 8443, path: '/applications/17' },
      },
      http_response: { code: 200 },
      actor: { user: { name: 'alice@example.org', type_id: 1 } },
      device: {
        uid: 'd-7f3a',
        ip: '192.0.2.17',
        type_id: 3,
        os: { name: 'debian', type_id: 200, version: '13' },
      },
      src_endpoint: { ip: '192.0.2.17', port: 50_123 },
      dst_endpoint: { hostname: 'grants.apps.example.org', ip: '10.0.0.2', port: 8080, zone: 'finance' },
      tls: {
        certificate: {
          serial_number: '5A0C33D1',
          fingerprints: [{ algorithm: 'SHA-256', value: '00'.repeat(32) }],
        },
      },
      unmapped: {
        postern: {
          user: 'alice@example.org',
          device: 'd-7f3a',
          certificateSerial: '5A0C33D1',
          postureAgeSeconds: 120,
          app: 'grants',
          network: 'finance',
          upstream: { ...upstream },
          decision: 'allow',
          policyVersion: '12-9f8e7d6c',
          policies: ['finance-grants'],
          reasons: ['policy-permits'],
          refusal: null,
        },
      },
    });
  });

  test('shares what it has in common with others, where the decision on each is made anew and says the same', async () => {
    const directory = makeFlowDirectory();
    const recorder = openRecorder(directory);
    const record = async (decision: Decision): Promise<void> => {
      recorder.request({ ...allowedFacts, decision }, answered);
      await whenWritten(recorder);
    };
    await record({ ...allow, policies: [...allow.policies] });
    await record({ ...allow, policies: [...allow.policies] });
    const shadow = { evaluated: ['s'], wouldAllow: [], wouldDeny: ['s'], wouldChallenge: [], failed: [] };
    await record({ ...allow, shadow });
    await record({ ...allow });
    await record({ ...allow, shadow: structuredClone(shadow) });
    await record({ ...allow, shadow: { ...shadow, wouldDeny: [] } });
    await record({ ...allow, policies: ['finance-grants', 'other'] });
    await record({ ...allow, policyVersion: '13-00000000' });
    const [segment = ''] = segmentsIn(directory);
    const kinds = readFileSync(join(directory, segment), 'latin1').match(/^\["./gm);
    expect(kinds?.join('').replaceAll('["', '')).toBe('csscssscscscs');
    expect(
      recordsIn(directory).map(({ unmapped: { postern } }) => [
        postern['policies'],
        postern['policyVersion'],
        postern['shadow'],
      ]),
    ).toEqual([
      [['finance-grants'], '12-9f8e7d6c', null],
      [['finance-grants'], '12-9f8e7d6c', null],
      [['finance-grants'], '12-9f8e7d6c', shadow],
      [['finance-grants'], '12-9f8e7d6c', null],
      [['finance-grants'], '12-9f8e7d6c', shadow],
      [['finance-grants'], '12-9f8e7d6c', { ...shadow, wouldDeny: [] }],
      [['finance-grants', 'other'], '12-9f8e7d6c', null],
      [['finance-grants'], '13-00000000', null],
    ]);
  });

  test('counts bytes from the laptop as sent by the source, and those to it as sent back', async () => {
    const directory = makeFlowDirectory();
    const recorder = openRecorder(directory);
    recorder.request(allowedFacts, { ...answered, bytesIn: 11, bytesOut: 2200 });
    await whenWritten(recorder);
    expect(recordsIn(directory)[0]?.['traffic']).toEqual({ bytes_out: 11, bytes_in: 2200, bytes: 2211 });
  });

  test('of a denied flow says denied, by which policy and why', async () => {
    const directory = makeFlowDirectory();
    const recorder = openRecorder(directory);
    recorder.request(deniedFacts, refused);
    await whenWritten(recorder);
    expect(recordsIn(directory)[0]).toMatchObject({
      action: 'Denied',
      disposition: 'Blocked',
      status_id: 2,
      status_code: 'denied',
      http_response: { code: 403 },
      authorizations: [{ decision: 'deny', policy: { name: 'no-contractors' } }],
      unmapped: { postern: { decision: 'deny', policies: ['no-contractors'], reasons: ['policy-forbids'] } },
    });
  });

  test('of an upstream that failed does not read as if access had been denied', async () => {
    const directory = makeFlowDirectory();
    const recorder = openRecorder(directory);
    recorder.request(allowedFacts, { ...answered, status: 504, refusal: 'upstream-timeout' });
    await whenWritten(recorder);
    expect(recordsIn(directory)[0]).toMatchObject({
      action: 'Allowed',
      disposition: 'Error',
      status_id: 2,
      unmapped: { postern: { reasons: ['policy-permits', 'upstream-timeout'] } },
    });
  });

  test('of a tunnel says Open, then Close; of one that never opened, Refuse or Fail', async () => {
    const directory = makeFlowDirectory();
    const recorder = openRecorder(directory);
    recorder.tunnelOpened(allowedFacts);
    recorder.tunnelClosed(allowedFacts, { ...refused, refusal: 'grant-ended' });
    recorder.tunnelClosed(deniedFacts, refused);
    recorder.tunnelClosed(allowedFacts, { ...refused, refusal: 'upstream-unreachable' });
    await whenWritten(recorder);
    expect(
      recordsIn(directory).map(({ activity_name, action, disposition }) => [
        activity_name,
        action,
        disposition,
      ]),
    ).toEqual([
      ['Open', 'Allowed', 'Allowed'],
      ['Close', 'Denied', 'Access Revoked'],
      ['Refuse', 'Denied', 'Blocked'],
      ['Fail', 'Allowed', 'Error'],
    ]);
  });

  test('never shows the subject, decision or upstream of another flow of the same connection', async () => {
    const directory = makeFlowDirectory();
    const recorder = openRecorder(directory);
    const other: FlowFacts = { ...allowedFacts, upstream: { ...upstream, address: '10.0.0.3' } };
    const flows = [allowedFacts, deniedFacts, other, allowedFacts, deniedFacts, other];
    for (const facts of flows) recorder.request(facts, facts === deniedFacts ? refused : answered);
    await whenWritten(recorder);
    expect(
      recordsIn(directory).map(({ unmapped: { postern } }) => [postern['decision'], postern['upstream']]),
    ).toEqual(flows.map((facts) => [facts.decision?.effect, facts.upstream ?? null]));
  });

  test.each([
    ['alice:hunter2@grants.apps.example.org:8443', 'grants.apps.example.org'],
    ['grants.apps.example.org?access_token=s3cret', 'grants.apps.example.org'],
    ['grants.apps.example.org:8443/a?access_token=s3cret#frag', 'grants.apps.example.org'],
    // Which of these parts is the host, nobody can tell.
    ['grants.apps.example.org?mail=alice@s3cret.example.org', ''],
    ['alice:hunter2?s3cret@grants.apps.example.org', ''],
  ])(
    'holds no query, fragment, password or token of %s, even when a caller forgets to cut them off',
    async (authority, hostname) => {
      const directory = makeFlowDirectory();
      const recorder = openRecorder(directory);
      const { app: _app, ...facts } = allowedFacts;
      const careless = { ...request, authority, path: '/a?access_token=s3cret#frag' };
      recorder.request({ ...facts, request: careless }, answered);
      recorder.tunnelOpened({ ...facts, request: careless });
      recorder.authentication({ ...facts, request: careless }, answered);
      await whenWritten(recorder);
      expect(recordsIn(directory)).toHaveLength(3);
      for (const record of recordsIn(directory)) {
        expect(JSON.stringify(record)).not.toMatch(/hunter2|s3cret|frag/);
        expect(JSON.stringify(record)).toContain(`"hostname":"${hostname}"`);
      }
    },
  );
});
