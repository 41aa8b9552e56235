import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Value } from 'typebox/value';
import { openAccessLog } from '../../../src/control/records/access-log.ts';
import type { AccessLog } from '../../../src/control/records/access-log.ts';
import { startChangeRecords } from '../../../src/control/records/record-changes.ts';
import type { ControlEvent } from '../../../src/domain/events.ts';
import { ChangeRecord } from '../../../src/flow/schema/control.ts';
import { entityActivity } from '../../../src/flow/record/entity-activity.ts';
import { readAccess } from '../../../src/flow/read/read-access.ts';
import { verifyFlows } from '../../../src/flow/verify/verify-flows.ts';
import { linkEntry } from '../../../src/ledger/chain.ts';
import { openSqliteLedger } from '../../../src/ledger/sqlite/sqlite-ledger.ts';
import { openLedgerStore } from '../../../src/ledger/store.ts';
import type { LedgerStore } from '../../../src/ledger/store.ts';
import { recordsIn } from '../../lab/flow-records.ts';
import { validateOcsf } from '../../lab/ocsf.ts';
import { app, network } from '../../lab/resources.ts';

let directory: string;
let store: LedgerStore;
const logger = pino({ level: 'silent' });
const access = (name = 'access'): string => join(directory, name);
const logs: AccessLog[] = [];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'postern-changes-'));
  const ledger = openSqliteLedger(join(directory, 'ledger.db'), { create: true });
  await ledger.append((await ledger.head()).hash, 'postern:init', [
    { type: 'organization-created', domain: 'example.org' },
  ]);
  store = await openLedgerStore(ledger);
});
afterEach(async () => {
  for (const log of logs.splice(0)) log.close();
  await store.close();
  rmSync(directory, { recursive: true, force: true });
});

function openLog(name?: string): AccessLog {
  const log = openAccessLog({
    directory: access(name),
    origin: { productVersion: '0.1.0', domain: 'example.org' },
    bootId: `boot-${logs.length}`,
  });
  logs.push(log);
  return log;
}
const start = async (accessLog: AccessLog, name?: string) =>
  await startChangeRecords({ directory: access(name), store, accessLog, logger });
const change = (...events: ControlEvent[]) => store.commit('api-key:ci', () => ({ events, value: true }));
const put = (name: string): ControlEvent => ({ type: 'resource-put', resource: network({ name }) });

describe('changes of the ledger', () => {
  it('are records of the SOC: who did what to which entity, by which entry', async () => {
    const changes = await start(openLog());
    await change({ type: 'resource-put', resource: network() }, { type: 'resource-put', resource: app() });
    await changes.settled();
    await changes.close();
    const records = recordsIn(access());
    expect(records.map(({ type_uid, ...record }) => [type_uid, record['entity']])).toEqual([
      [300401, { type_id: 4, type: 'Organization', uid: 'example.org' }],
      [300403, { type_id: 99, type: 'Private Network', uid: 'finance', name: 'finance' }],
      [300403, { type_id: 99, type: 'App', uid: 'grants', name: 'grants' }],
    ]);
    expect(records.at(-1)).toMatchObject({
      actor: { user: { name: 'api-key:ci', type: 'Service' } },
      metadata: { correlation_uid: 'ledger:3' },
      unmapped: { postern: { event: 'resource-put', entry: 3, entryHash: store.state.head.hash } },
    });
    expect((await verifyFlows(access())).problems).toEqual([]);
    // Who reads what was read does not stumble over them.
    expect(await readAccess(access(), { limit: 10 })).toEqual({
      records: [],
      next: undefined,
      unreadable: 0,
    });
  });

  it('that came while nobody recorded are recorded at the next start, once', async () => {
    const first = await start(openLog());
    await change(put('one'));
    await first.settled();
    await first.close();
    await change(put('two'));
    await change(put('three'));
    const second = await start(openLog());
    await second.settled();
    await second.close();
    const third = await start(openLog());
    await third.settled();
    await third.close();
    expect(recordsIn(access()).map(({ unmapped: { postern } }) => postern['entry'])).toEqual([1, 2, 3, 4]);
  });

  it('have one id wherever they are recorded, and each another', async () => {
    for (const name of ['a', 'b']) {
      const changes = await start(openLog(name), name);
      await changes.settled();
      await changes.close();
    }
    await change(put('one'));
    for (const name of ['a', 'b']) {
      const changes = await start(openLog(name), name);
      await changes.settled();
      await changes.close();
    }
    const ids = (name: string): unknown[] => recordsIn(access(name)).map(({ metadata }) => metadata['uid']);
    expect(ids('a')).toHaveLength(2);
    expect(ids('a')).toEqual(ids('b'));
    expect(new Set(ids('a')).size).toBe(2);
  });

  it('wait where the disk takes nothing', async () => {
    const log = openLog();
    log.close();
    const changes = await start(log);
    await changes.settled();
    await changes.close();
    const later = await start(openLog());
    await later.settled();
    await later.close();
    expect(recordsIn(access()).map(({ unmapped: { postern } }) => postern['entry'])).toEqual([1]);
  });
});

const certificate = {
  serial: '01',
  thumbprint: 'A'.repeat(43),
  issuer: 'CN=x',
  notBefore: 1_700_000_000,
  notAfter: 1_800_000_000,
} as never;
const events: readonly ControlEvent[] = [
  { type: 'organization-created', domain: 'example.org' },
  {
    type: 'key-published',
    key: { kid: 'k', use: 'session', jwk: { kty: 'EC', crv: 'P-256', x: 'x', y: 'y' }, publishedAt: 1 },
  },
  { type: 'key-retired', kid: 'k' },
  { type: 'api-key-created', id: 'a', name: 'ci', secretHash: 'SECRET-HASH' },
  { type: 'api-key-revoked', id: 'a' },
  {
    type: 'enrollment-token-created',
    id: 't',
    secretHash: 'SECRET-HASH',
    user: 'alice@example.org' as never,
    role: 'laptop',
    expiresAt: 1,
  },
  { type: 'enrollment-token-withdrawn', id: 't' },
  {
    type: 'device-enrolled',
    device: 'd' as never,
    enrollmentToken: 't',
    user: 'alice@example.org' as never,
    role: 'laptop',
    certificate,
    state: 'enrolled',
  },
  { type: 'device-bundle-made', device: 'd' as never, user: 'alice@example.org' as never, certificate },
  { type: 'device-posture-accepted', device: 'd' as never },
  { type: 'device-certificate-renewed', device: 'd' as never, certificate },
  { type: 'device-certificate-renewed', device: 'd' as never, certificate, late: true },
  ...(['active', 'quarantined', 'revoked', 'lost'] as const).map(
    (state): ControlEvent => ({
      type: 'device-state-changed',
      device: 'd' as never,
      state,
      reason: '\u202eodd "reason"\n'.repeat(100),
    }),
  ),
  { type: 'sign-in-ended', id: 's', user: 'alice@example.org' as never, reason: 'left' },
  { type: 'change-proposed', id: 'p', changes: [], expiresAt: 1 },
  { type: 'change-approved', id: 'p' },
  { type: 'change-rejected', id: 'p', reason: 'no' },
  { type: 'resource-put', resource: app() },
  { type: 'resource-deleted', kind: 'Policy', name: 'old' },
  { type: 'installation-restored', from: 1 },
];

it('of every kind of event fit OCSF and our own schema, and hold no hash of a secret', async () => {
  const log = openLog();
  for (const [index, event] of events.entries()) {
    const actor = ['alice@example.org', 'device:d', 'postern:init'][index % 3] ?? '';
    const at = 1_767_600_000_000 + index;
    const entry = linkEntry({ sequence: index, hash: '0'.repeat(64) }, { at, actor, event });
    expect(await log.recordChange(entry, event, entityActivity(event).user)).toBe(true);
  }
  const records = recordsIn(access());
  expect(records).toHaveLength(events.length);
  for (const record of records) {
    expect(validateOcsf(record)).toEqual([]);
    expect([...Value.Errors(ChangeRecord, record)]).toEqual([]);
    expect(JSON.stringify(record)).not.toContain('SECRET-HASH');
  }
  expect(new Set(events.map(({ type }) => type)).size).toBe(19);
  expect(events.map((event) => entityActivity(event).activity[1])).toContain('Suspend');
});
