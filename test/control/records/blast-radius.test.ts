import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { BlastRadius } from '../../../src/contract/blast-radius.ts';
import type { DeviceId } from '../../../src/domain/ids.ts';
import { openRecorder, whenWritten } from '../../flow/flow-directory.ts';
import { allowedFacts, answered, app as grants, deniedFacts, refused, subject } from '../../flow/samples.ts';
import { startControlLab } from '../control-lab.ts';
import type { ControlLab } from '../control-lab.ts';

let lab: ControlLab;
let device: string;
const application = (name: string) => ({
  kind: 'App',
  name,
  network: 'finance',
  host: `${name}.apps.example.org`,
  protocol: 'http',
  upstreams: ['http://127.0.0.1:8080'],
});
const permit = (app: string, to: string, when = '') => ({
  kind: 'Policy',
  name: `${app}-policy`,
  mode: 'enforce',
  cedar: `permit (principal in Group::"${to}", action == Action::"access", resource == App::"${app}") ${when};`,
});

beforeEach(async () => {
  lab = await startControlLab();
  ({ device } = await lab.enroll('alice@example.org'));
  const resources = [
    { kind: 'Network', name: 'finance', attach: { direct: true } },
    ...['grants', 'ledger', 'payroll', 'wiki', 'secret'].map(application),
    { kind: 'Group', name: 'staff', members: ['alice@example.org'] },
    { kind: 'Group', name: 'finance', members: { claim: 'groups', value: 'finance' } },
    permit('grants', 'finance'),
    permit('ledger', 'finance', 'when { context.posture.diskEncrypted && context.posture.ageSeconds < 600 }'),
    permit('wiki', 'staff', 'when { context.signIn.ageSeconds < 300 && context.signIn.mfa }'),
    permit('payroll', 'nobody'),
    { kind: 'Group', name: 'nobody', members: [] },
  ];
  const applied = await lab.ask('POST', '/v1/apply', { body: { resources } });
  expect(applied.status).toBe(200);
  const active = { state: 'active', reason: 'its posture was looked at' };
  expect((await lab.ask('POST', `/v1/devices/${device}/state`, { body: active })).status).toBe(200);
  const flows = join(lab.directory, 'flows');
  mkdirSync(flows);
  const recorder = openRecorder(flows);
  const mine = {
    certificate: { ...subject.certificate, device: device as DeviceId },
    token: { ...subject.token, device: device as DeviceId },
  };
  const at = { startedAt: Date.now() - 60_000 };
  const done = { endedAt: at.startedAt + 5 };
  const payroll = { ...grants, name: 'payroll', network: 'finance' };
  recorder.request({ ...allowedFacts, ...at, subject: mine }, { ...answered, ...done });
  recorder.request({ ...allowedFacts, ...at, subject: mine }, { ...answered, ...done });
  recorder.request({ ...deniedFacts, ...at, subject: mine, app: payroll }, { ...refused, ...done });
  // Of another laptop.
  recorder.request({ ...allowedFacts, ...at, app: { ...grants, name: 'secret' } }, { ...answered, ...done });
  await whenWritten(recorder);
});
afterEach(() => lab.close());

const measure = async (query = ''): Promise<BlastRadius> => {
  const key = await lab.makeKey({ role: 'soc' });
  const { status, body } = await lab.ask('GET', `/v1/flows/blast-radius/${device}${query}`, { key });
  expect(status).toBe(200);
  return body as BlastRadius;
};

it('says what a laptop reached, what it tried, and what it could reach with what is known of its user', async () => {
  const radius = await measure();
  expect(radius).toMatchObject({
    device: { id: device, user: 'alice@example.org', state: 'active' },
    reached: [
      { app: 'grants', network: 'finance', users: ['alice@example.org'], allowed: 2, bytesOut: 2048 },
    ],
    tried: [{ app: 'payroll', users: ['alice@example.org'], denied: 1, refusals: ['denied'] }],
    assumed: [{ user: 'alice@example.org', posture: 'recorded', claims: 'recorded', signIn: 'none' }],
    apps: 5,
  });
  // The posture of the record is old, and counts as if it were reported anew.
  expect(radius.couldReach).toMatchObject([
    { app: 'grants', effect: 'allow', policies: ['grants-policy'], reached: true },
    { app: 'ledger', effect: 'allow', policies: ['ledger-policy'], reached: false },
    { app: 'wiki', effect: 'challenge', reasons: ['fresh-sign-in', 'mfa'], reached: false },
  ]);
});

it('counts nothing outside of the period, and then knows neither groups nor posture', async () => {
  const radius = await measure(`?since=${Date.now() - 1000}`);
  expect(radius).toMatchObject({
    reached: [],
    tried: [],
    assumed: [{ user: 'alice@example.org', posture: 'none', claims: 'none', signIn: 'none' }],
  });
  expect(radius.couldReach.map(({ app }) => app)).toEqual(['wiki']);
  const empty = await lab.ask('GET', `/v1/flows/blast-radius/${device}?since=2000&until=1000`);
  expect(empty).toMatchObject({ status: 400, body: { code: 'invalid-input' } });
});

it('says of a laptop that was revoked what it reached, and that it can reach nothing', async () => {
  await lab.ask('POST', `/v1/devices/${device}/state`, { body: { state: 'revoked', reason: 'stolen' } });
  const radius = await measure();
  expect(radius).toMatchObject({
    device: { state: 'revoked' },
    reached: [{ app: 'grants' }],
    couldReach: [],
  });
});

it('is in the access log, and not for the help desk', async () => {
  await measure();
  const { body } = await lab.ask('GET', '/v1/access-log');
  expect(body.accesses[0]).toMatchObject({
    operation: 'GET /v1/flows/blast-radius/:device',
    target: { device },
  });
  const helpdesk = await lab.makeKey({ role: 'helpdesk' });
  expect(await lab.ask('GET', `/v1/flows/blast-radius/${device}`, { key: helpdesk })).toMatchObject({
    status: 403,
  });
});
