import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { startAgent } from '../../agent/agent.ts';
import { systemClock } from '../../agent/clock.ts';
import { laptopPosture } from '../../agent/posture/laptop-posture.ts';
import { writeFilesAtomically } from '../../agent/state/atomic-file.ts';
import { formatSettings } from '../../agent/state/settings-file.ts';
import { createStateDirectory } from '../../agent/state/state-directory.ts';
import { createKeyAndRequest, createRequest } from '../../certs/request.ts';
import type { UserName } from '../../src/domain/ids.ts';
import { issueManagedDevice, makeManagedAuthority } from '../lab/managed.ts';
import { makeOrganization } from '../lab/pki.ts';
import { startControlLab } from './control-lab.ts';
import type { ControlLab, Identity } from './control-lab.ts';

vi.setConfig({ testTimeout: 60_000 });
const day = 86_400_000;
let lab: ControlLab;
beforeAll(async () => {
  lab = await startControlLab();
});
afterAll(() => lab.close());

/** What happens `ago` days ago by the clock of the control plane; OpenSSL's own clock is never moved. */
async function past<Value>(ago: number, happens: () => Promise<Value>): Promise<Value> {
  lab.pass(-ago * day);
  try {
    return await happens();
  } finally {
    lab.pass(ago * day);
  }
}
const renew = (client: Identity, csr: string) =>
  lab.ask('POST', '/v1/device/renew', { key: null, client, body: { csr } });
const change = (device: string, state: string) =>
  lab.ask('POST', `/v1/devices/${device}/state`, { body: { state, reason: 'test' } });
const stateOf = (device: string) => lab.store.state.devices.get(device as never);

it('renews a certificate that expired three days ago for its key, into quarantine, and opens nothing else to it', async () => {
  const laptop = await past(10, () => lab.enroll());
  await change(laptop.device, 'active');
  expect(Date.parse(new X509Certificate(laptop.chainPem).validTo)).toBeLessThan(Date.now() - 2 * day);
  for (const path of ['/v1/device/config', '/v1/device/token'])
    expect(
      await lab.ask(path.endsWith('config') ? 'GET' : 'POST', path, {
        key: null,
        client: laptop,
        ...(path.endsWith('config') ? {} : { body: {} }),
      }),
    ).toMatchObject({ status: 401, body: { code: 'certificate-expired' } });

  const answer = await renew(laptop, await createRequest(laptop.keyPem));
  expect(answer).toMatchObject({ status: 200, body: { late: true } });
  expect(stateOf(laptop.device)).toMatchObject({ state: 'quarantined', reason: 'grace-renewal' });
  const certificate = new X509Certificate(answer.body.certificate);
  expect(certificate.checkPrivateKey(createPrivateKey(laptop.keyPem))).toBe(true);
  const renewed = { keyPem: laptop.keyPem, chainPem: String(answer.body.certificate) };
  expect(await lab.ask('GET', '/v1/device/config', { key: null, client: renewed })).toMatchObject({
    status: 200,
  });
});

it('does not say late of one in force, and changes no state by it', async () => {
  const laptop = await lab.enroll();
  const answer = await renew(laptop, await createRequest(laptop.keyPem));
  expect(answer.status).toBe(200);
  expect(answer.body).not.toHaveProperty('late');
  expect(stateOf(laptop.device)).toMatchObject({ state: 'enrolled' });
});

it('refuses one that expired too long ago, one for another key, and one of a lost laptop, and changes nothing', async () => {
  const late = await past(45, () => lab.enroll());
  const other = await past(10, () => lab.enroll());
  const lost = await past(10, () => lab.enroll());
  await change(lost.device, 'lost');
  const { sequence } = lab.store.state.head;
  expect(await renew(late, await createRequest(late.keyPem))).toMatchObject({
    status: 403,
    body: { code: 'renewal-too-late' },
  });
  expect(await renew(other, (await createKeyAndRequest()).csrPem)).toMatchObject({
    status: 400,
    body: { code: 'renewal-key-differs' },
  });
  expect(await renew(lost, await createRequest(lost.keyPem))).toMatchObject({
    status: 403,
    body: { code: 'device-lost' },
  });
  expect(lab.store.state.head.sequence).toBe(sequence);
});

it('sends a device under a device management to its own way, in time and late, and knows no strangers among those', async () => {
  const authority = await makeManagedAuthority();
  const managed = await startControlLab({ managed: authority });
  try {
    const askAs = async (client: Identity) => {
      const csr = (await createKeyAndRequest()).csrPem;
      return managed.ask('POST', '/v1/device/renew', { key: null, client, body: { csr } });
    };
    for (const ago of [1, 95]) {
      const at = Math.floor(Date.now() / 1000) - (ago * day) / 1000;
      const phone = await issueManagedDevice(authority, `d-phone-${ago}`, at);
      expect((await askAs(phone)).body.code).toBe('device-unknown');
      const user = 'alice@example.org' as UserName;
      await managed.store.commit('api-key:admin', () => ({
        events: [{ type: 'device-bundle-made', device: phone.id, user, certificate: phone.issued }],
        value: {},
      }));
      expect(await askAs(phone)).toMatchObject({ status: 403, body: { code: 'renewal-elsewhere' } });
      expect(managed.store.state.devices.get(phone.id)?.certificates).toEqual([phone.issued]);
    }
    const stranger = await issueManagedDevice(await makeManagedAuthority(), 'd-phone-95', 1_000_000_000);
    expect((await askAs(stranger)).body.code).toBe('certificate-untrusted');
    const laptop = await managed.enroll();
    expect((await askAs(laptop)).status).toBe(200);
  } finally {
    await managed.close();
  }
});

it('believes no expired certificate of another authority that names one of our laptops', async () => {
  const laptop = await past(10, () => lab.enroll());
  const stranger = await makeOrganization({ domain: 'example.org', now: new Date(Date.now() - 20 * day) });
  const forged = await stranger.issueDevice({
    id: laptop.device,
    now: new Date(Date.now() - 10 * day),
  });
  expect(await renew(forged, await createRequest(forged.keyPem))).toMatchObject({
    status: 401,
    body: { code: 'certificate-untrusted' },
  });
  const unknown = await lab.organization.issueDevice({ now: new Date(Date.now() - 10 * day) });
  expect(await renew(unknown, await createRequest(unknown.keyPem))).toMatchObject({
    body: { code: 'device-unknown' },
  });
});

it('is what the agent does by itself when it comes up with an expired certificate', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'postern-holiday-'));
  const enrolled = await past(10, () => lab.enroll());
  const paths = createStateDirectory(directory);
  const settings = {
    version: 1,
    control: `https://localhost:${lab.port}`,
    device: enrolled.device,
    user: 'alice@example.org',
    domain: lab.organization.domain,
    proxyPort: 0,
  } as const;
  writeFilesAtomically([
    { path: paths.key, content: enrolled.keyPem },
    { path: paths.certificate, content: enrolled.chainPem },
    { path: paths.authority, content: lab.organization.rootPem },
    { path: paths.settings, content: formatSettings(settings) },
  ]);
  await change(enrolled.device, 'active');
  const file = paths.certificate;
  const before = new X509Certificate(readFileSync(file));
  expect(Date.parse(before.validTo)).toBeLessThan(Date.now());
  const agent = await startAgent({
    directory,
    posture: laptopPosture(systemClock),
    clock: systemClock,
    random: Math.random,
    log: pino({ level: 'silent' }),
    language: 'en',
  });
  try {
    await expect
      .poll(() => Date.parse(new X509Certificate(readFileSync(file)).validTo), { timeout: 30_000 })
      .toBeGreaterThan(Date.now());
    expect(agent.view().certificateExpiresAt).toBeGreaterThan(Date.now() / 1000);
  } finally {
    await agent.stop();
    await rm(directory, { recursive: true, force: true });
  }
  expect(stateOf(enrolled.device)).toMatchObject({ state: 'quarantined', reason: 'grace-renewal' });
  expect(stateOf(enrolled.device)?.certificates).toHaveLength(1);
});
