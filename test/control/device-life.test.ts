import { afterAll, beforeAll, expect, it } from 'vitest';
import { startControlLab } from './control-lab.ts';
import type { ControlLab, Identity } from './control-lab.ts';

let lab: ControlLab;
beforeAll(async () => {
  lab = await startControlLab();
});
afterAll(() => lab.close());

const posture = {
  ageSeconds: 3,
  os: 'linux',
  osVersion: '13',
  agentVersion: '0.1.0',
  checks: {
    diskEncrypted: true,
    firewallEnabled: true,
    screenLockEnabled: 'unknown',
    osUpToDate: true,
    secureBoot: 'unknown',
    protectionRunning: true,
  },
} as const;
const askToken = (client: Identity, body: unknown = { posture }) =>
  lab.ask('POST', '/v1/device/token', { key: null, body, client });
const change = (device: string, state: string, reason = 'test') =>
  lab.ask('POST', `/v1/devices/${device}/state`, { body: { state, reason } });
const stateOf = async (device: string): Promise<unknown> =>
  (await lab.ask('GET', `/v1/devices/${device}`)).body;
const historyOf = async (device: string) =>
  ((await lab.ask('GET', `/v1/devices/${device}/history`)).body.changes as Record<string, unknown>[]).map(
    ({ state, by, reason }) => [state, by, reason],
  );

it('makes a laptop active with its first posture report, and by nothing less', async () => {
  const { device, ...laptop } = await lab.enroll();
  expect(await stateOf(device)).toMatchObject({ state: 'enrolled', awaits: 'posture' });
  expect(await askToken(laptop, {})).toMatchObject({ status: 200 });
  expect(await stateOf(device)).toMatchObject({ state: 'enrolled' });
  const wrong = { ...posture, checks: { ...posture.checks, diskEncrypted: 'yes' } };
  expect(await askToken(laptop, { posture: wrong })).toMatchObject({ status: 400 });
  expect(await stateOf(device)).toMatchObject({ state: 'enrolled' });

  expect(await askToken(laptop)).toMatchObject({ status: 200 });
  expect(await stateOf(device)).toMatchObject({ state: 'active' });
  const { sequence } = lab.store.state.head;
  expect(await askToken(laptop)).toMatchObject({ status: 200 });
  expect(lab.store.state.head.sequence).toBe(sequence);
  expect(await historyOf(device)).toEqual([
    ['enrolled', `device:${device}`, 'enrollment'],
    ['active', `device:${device}`, 'first-posture'],
  ]);
});

it('leaves a laptop in quarantine that a person put there, whatever posture it reports', async () => {
  const { device, ...laptop } = await lab.enroll();
  await change(device, 'quarantined', 'enrolled by mistake');
  expect(await askToken(laptop)).toMatchObject({ status: 200 });
  expect(await stateOf(device)).toMatchObject({ state: 'quarantined' });
  await change(device, 'active', 'all is well');
  expect(await historyOf(device)).toEqual([
    ['enrolled', `device:${device}`, 'enrollment'],
    ['quarantined', 'api-key:admin', 'enrolled by mistake'],
    ['active', 'api-key:admin', 'all is well'],
  ]);
});

it('lists the devices of one user or in one state, and refuses a state that is none', async () => {
  const carol = await lab.enroll('carol@example.org');
  const dave = await lab.enroll('dave@example.org');
  await change(dave.device, 'quarantined');
  const list = async (query: string): Promise<string[]> =>
    ((await lab.ask('GET', `/v1/devices${query}`)).body.devices as { id: string }[]).map(({ id }) => id);
  expect(await list('?user=carol%40example.org')).toEqual([carol.device]);
  expect(await list('?state=quarantined&user=dave%40example.org')).toEqual([dave.device]);
  expect(await list('?state=quarantined&user=carol%40example.org')).toEqual([]);
  expect((await list('')).length).toBeGreaterThan(2);
  expect(await lab.ask('GET', '/v1/devices?state=gone')).toMatchObject({
    status: 400,
    body: { code: 'invalid-input' },
  });
  expect(await lab.ask('GET', '/v1/devices?sort=id')).toMatchObject({ status: 400 });
  expect(await lab.ask('GET', '/v1/devices/none/history')).toMatchObject({ status: 404 });
});

it('refuses a lost laptop by a code of its own, and counts and logs what it tries; a revoked one does neither', async () => {
  const stolen = await lab.enroll();
  const retired = await lab.enroll();
  await change(stolen.device, 'lost', 'stolen from a car');
  await change(retired.device, 'revoked', 'sold');
  const before = lab.parts.lostDevices.attempts;
  expect(await askToken(retired)).toMatchObject({ status: 403, body: { code: 'device-revoked' } });
  expect(lab.parts.lostDevices.attempts).toBe(before);
  expect(await askToken(stolen)).toMatchObject({ status: 403, body: { code: 'device-lost' } });
  expect(lab.parts.lostDevices.attempts).toBe(before + 1);
  const alert = lab
    .logged()
    .split('\n')
    .find((line) => line.includes('lost device asked the control plane'));
  expect(alert).toContain(stolen.device);
  expect(alert).toContain('127.0.0.1');
});
