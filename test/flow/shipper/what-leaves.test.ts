import { expect, test } from 'vitest';
import { createFilter } from '../../../src/flow/shipper/filter.ts';
import { createRedaction } from '../../../src/flow/shipper/redact.ts';
import { fullJitter } from '../../../src/flow/shipper/full-jitter.ts';
import { recordsIn } from '../../lab/flow-records.ts';
import { recordEveryKind } from '../every-record.ts';
import { makeFlowDirectory, openRecorder, whenWritten } from '../flow-directory.ts';

async function everyKind() {
  const flows = makeFlowDirectory();
  const recorder = openRecorder(flows);
  recordEveryKind(recorder);
  await whenWritten(recorder);
  return recordsIn(flows);
}

test('without a filter all pass; with one those that fit each of its rules', async () => {
  const records = await everyKind();
  const passing = (filter: Parameters<typeof createFilter>[0]) => records.filter(createFilter(filter));
  expect(passing(undefined)).toEqual(records);
  expect(passing({})).toEqual(records);
  const http = passing({ classes: [4002] });
  expect(http.length).toBeGreaterThan(0);
  expect(http.length).toBeLessThan(records.length);
  expect(new Set(http.map(({ class_uid: uid }) => uid))).toEqual(new Set([4002]));
  const refusals = passing({ only: 'refusals' });
  expect(refusals.length).toBeGreaterThan(0);
  expect(refusals.every((record) => record['status_id'] === 2)).toBe(true);
  expect(
    records.filter((record) => !refusals.includes(record)).some((record) => record['status_id'] === 2),
  ).toBe(false);
  expect(passing({ users: ['alice@example.org'], apps: ['grants'] }).length).toBeGreaterThan(0);
  expect(passing({ users: ['alice@example.org'], apps: ['payroll'] })).toEqual([]);
  expect(passing({ devices: ['d-7f3a'] }).length).toBeGreaterThan(0);
  expect(passing({ networks: ['nowhere'] })).toEqual([]);
  expect(passing({ minimumSeverity: 'critical' })).toEqual([]);
  expect(passing({ minimumSeverity: 'low' }).every((record) => Number(record['severity_id']) >= 2)).toBe(
    true,
  );
});

test('a record of a class that it does not know passes a filter that does not ask for classes', () => {
  expect(createFilter({ minimumSeverity: 'low' })({ class_uid: 9999, severity_id: 4 })).toBe(true);
  expect(createFilter({ classes: [4001] })({ class_uid: 9999, severity_id: 4 })).toBe(false);
});

test('members are removed, masked and shortened, the rest stays, and the record itself is not touched', () => {
  const record = {
    http_request: { user_agent: 'Mozilla', url: { path: '/secret', port: 443 } },
    src_endpoint: { ip: '192.0.2.17', port: 1 },
    device: { ip: '2001:db8:1:2::17' },
    dst_endpoint: { ip: 'not an address' },
    list: [{ name: 'a', x: 1 }, { name: 'b' }],
    unmapped: { postern: { posture: null } },
  };
  const before = structuredClone(record);
  const redaction = createRedaction({
    remove: ['http_request.user_agent', 'unmapped.postern.posture.measuredAt', 'nothing.of.the.kind'],
    mask: ['http_request.url.path', 'http_request.url.port', 'list.name'],
    truncateAddresses: ['src_endpoint.ip', 'device.ip', 'dst_endpoint.ip'],
  });
  expect(redaction?.(record)).toEqual({
    http_request: { url: { path: '***' } },
    src_endpoint: { ip: '192.0.2.0', port: 1 },
    device: { ip: '2001:db8:1::' },
    dst_endpoint: {},
    list: [{ name: '***', x: 1 }, { name: '***' }],
    unmapped: { postern: { posture: null } },
  });
  expect(record).toEqual(before);
  expect(createRedaction(undefined)).toBeUndefined();
  expect(createRedaction({})).toBeUndefined();
});

test.each([
  ['192.0.2.255', '192.0.2.0'],
  ['2001:db8:abcd:12:3:4:5:6', '2001:db8:abcd::'],
  ['::1', '0:0:0::'],
  ['fe80::1', 'fe80:0:0::'],
  ['::ffff:192.0.2.1', '0:0:0::'],
])('%s is shortened to %s', (address, shortened) => {
  expect(createRedaction({ truncateAddresses: ['ip'] })?.({ ip: address })).toEqual({ ip: shortened });
});

test('the pause before another attempt lies anywhere below a bound that doubles up to a minute', () => {
  const bounds = [1, 2, 3, 8, 9, 50].map((failures) => fullJitter(failures, undefined, () => 1));
  expect(bounds).toEqual([500, 1000, 2000, 60_000, 60_000, 60_000]);
  expect(fullJitter(3, undefined, () => 0)).toBe(0);
  expect(fullJitter(3, undefined, () => 0.5)).toBe(1000);
});
