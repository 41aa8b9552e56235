import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { X509Certificate } from 'node:crypto';
import { createKeyAndRequest } from '../../certs/request.ts';
import { certificateThumbprint } from '../../certs/thumbprint.ts';
import { createTokenVerifier } from '../../src/identity/session-token.ts';
import { makeOrganization } from '../lab/pki.ts';
import { app, network } from '../lab/resources.ts';
import { startControlLab } from './control-lab.ts';
import type { ControlLab, Identity } from './control-lab.ts';

let lab: ControlLab;
beforeAll(async () => {
  lab = await startControlLab();
});
afterAll(() => lab.close());

const posture = {
  ageSeconds: 30,
  os: 'linux',
  osVersion: '13',
  agentVersion: '0.1.0',
  checks: {
    diskEncrypted: true,
    firewallEnabled: false,
    screenLockEnabled: 'unknown',
    osUpToDate: true,
    secureBoot: true,
    protectionRunning: true,
  },
} as const;

const askToken = (client: Identity | undefined, body: unknown = { posture }) =>
  lab.ask('POST', '/v1/device/token', { key: null, body, ...(client === undefined ? {} : { client }) });
const setState = (device: string, state: string) =>
  lab.ask('POST', `/v1/devices/${device}/state`, { body: { state, reason: 'test' } });

it('gives a device a token that is bound to its certificate and carries its posture', async () => {
  const laptop = await lab.enroll('alice@example.org');
  const answer = await askToken(laptop);
  expect(answer.status).toBe(200);
  const thumbprint = certificateThumbprint(new X509Certificate(laptop.chainPem).raw);
  const verifier = createTokenVerifier({ domain: 'example.org', keys: () => lab.store.state.signingKeys });
  const now = Math.floor(lab.parts.clock() / 1000);
  const verified = await verifier.verify(answer.body.token, thumbprint, now);
  expect(verified).toMatchObject({
    user: 'alice@example.org',
    device: laptop.device,
    posture: { checks: posture.checks },
  });
  expect(answer.body.expiresInSeconds).toBe(600);
  const { posture: claimed } = decodeJwt<{ posture: { measuredAt: number } }>(answer.body.token);
  expect(now - claimed.measuredAt).toBeGreaterThanOrEqual(30);
  expect(now - claimed.measuredAt).toBeLessThan(40);
});

it('gives a machine a token of its own, without the user who answers for it, and explains its access by itself', async () => {
  const machine = await lab.enroll('buildings@example.org', 'machine');
  const answer = await askToken(machine, {});
  expect(answer.status).toBe(200);
  const claims = decodeJwt(answer.body.token);
  expect(claims).toMatchObject({
    sub: `spiffe://example.org/device/${machine.device}`,
    device: machine.device,
    claims: {},
  });
  expect(claims).not.toHaveProperty('signIn');
  expect(await lab.ask('GET', '/v1/device/config', { key: null, client: machine })).toMatchObject({
    status: 200,
  });

  const policy = {
    kind: 'Policy',
    name: 'machines',
    cedar: 'permit (principal is Device, action, resource == App::"recorder");',
  };
  await lab.ask('POST', '/v1/apply', {
    body: {
      resources: [
        network({ name: 'halls', attach: { direct: true } }),
        app({ name: 'recorder', network: 'halls', host: 'recorder.apps.example.org' }),
        policy,
      ],
    },
  });
  const why = (body: object) =>
    lab.ask('POST', '/v1/why', { body: { device: machine.device, app: 'recorder', ...body } });
  expect(await why({})).toMatchObject({ status: 200, body: { effect: 'allow', reasons: [] } });
  expect(await why({ user: 'buildings@example.org' })).toMatchObject({
    status: 400,
    body: { code: 'invalid-input' },
  });
  const laptop = await lab.enroll();
  expect(await why({ device: laptop.device })).toMatchObject({ status: 400 });
  await lab.ask('POST', '/v1/apply', { body: { resources: [], prune: true } });
});

it('refuses a token to whoever has no certificate, or one of another authority, or one that the ledger does not know', async () => {
  expect(await askToken(undefined)).toMatchObject({ status: 401, body: { code: 'certificate-missing' } });
  const stranger = await (await makeOrganization()).issueDevice();
  expect(await askToken(stranger)).toMatchObject({ status: 401, body: { code: 'certificate-untrusted' } });
  const unknown = await lab.organization.issueDevice();
  expect(await askToken(unknown)).toMatchObject({ body: { code: 'device-unknown' } });
  const service = await lab.organization.issueControl();
  expect(await askToken(service)).toMatchObject({ status: 401, body: { code: 'certificate-untrusted' } });
});

it('gives a quarantined device a token and a revoked one none, also on a connection that was open before', async () => {
  const laptop = await lab.enroll();
  const agent = new Agent({
    keepAlive: true,
    maxSockets: 1,
    ca: lab.organization.rootPem,
    cert: laptop.chainPem,
    key: laptop.keyPem,
  });
  const sockets = new Set<unknown>();
  const askOnTheSame = async (): Promise<number | undefined> => {
    const outgoing = request({ agent, host: '127.0.0.1', port: lab.port, path: '/v1/device/config' });
    outgoing.end();
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    sockets.add(response.socket);
    response.resume();
    await once(response, 'end');
    return response.statusCode;
  };
  expect(await askOnTheSame()).toBe(200);
  await setState(laptop.device, 'quarantined');
  expect(await askToken(laptop)).toMatchObject({ status: 200 });
  expect(await askOnTheSame()).toBe(200);
  await setState(laptop.device, 'revoked');
  expect(await askToken(laptop)).toMatchObject({ status: 403, body: { code: 'device-revoked' } });
  expect(await askOnTheSame()).toBe(403);
  expect(sockets.size).toBe(1);
  agent.destroy();
});

it('lets an API key open nothing that is for devices, and a device nothing that is for administrators', async () => {
  const laptop = await lab.enroll();
  const withKey = await lab.ask('GET', '/v1/device/config');
  expect(withKey).toMatchObject({ status: 401, body: { code: 'certificate-missing' } });
  const withCertificate = await lab.ask('GET', '/v1/devices', { key: null, client: laptop });
  expect(withCertificate).toMatchObject({ status: 401, body: { code: 'api-key-invalid' } });
  expect(await lab.ask('GET', '/v1/device/config', { key: null, client: laptop })).toMatchObject({
    status: 200,
  });
});

it('renews a certificate for a new key, so that the renewed one works and the old one still does', async () => {
  const laptop = await lab.enroll();
  const { privateKeyPem, csrPem } = await createKeyAndRequest();
  const answer = await lab.ask('POST', '/v1/device/renew', {
    key: null,
    client: laptop,
    body: { csr: csrPem },
  });
  expect(answer.status).toBe(200);
  const renewed = { chainPem: answer.body.certificate, keyPem: privateKeyPem };
  expect(await askToken(renewed)).toMatchObject({ status: 200 });
  expect(await askToken(laptop)).toMatchObject({ status: 200 });
  await setState(laptop.device, 'lost');
  const refused = await lab.ask('POST', '/v1/device/renew', {
    key: null,
    client: renewed,
    body: { csr: csrPem },
  });
  expect(refused).toMatchObject({ status: 403, body: { code: 'device-lost' } });
});

it('refuses a posture that it cannot read, and gives no token for it', async () => {
  const laptop = await lab.enroll();
  const wrong = { posture: { ...posture, jailbroken: false } };
  expect(await askToken(laptop, wrong)).toMatchObject({
    status: 400,
    body: { code: 'invalid-input', problems: ['body.posture.jailbroken: unknown key'] },
  });
  const refused = [
    { ...posture, ageSeconds: '30' },
    { ...posture, checks: { ...posture.checks, diskEncrypted: 'yes' } },
    { ...posture, checks: { ...posture.checks, 'disk-encrypted': true } },
    { ...posture, reasons: { diskEncrypted: 'x'.repeat(201) } },
  ];
  for (const each of refused)
    expect(await askToken(laptop, { posture: each })).toMatchObject({ status: 400 });
  expect(await askToken(laptop, {})).toMatchObject({ status: 200 });
  const path = `/v1/devices/${laptop.device}/posture`;
  expect(await lab.ask('GET', path)).toMatchObject({ status: 404, body: { code: 'not-found' } });
});

it('takes from an agent of another version what it knows, and shows people what it said and why', async () => {
  const laptop = await lab.enroll();
  const { secureBoot: _, ...older } = posture.checks;
  const reported = {
    ...posture,
    kernelVersion: '6.12.9',
    checks: { ...older, newCriterion: true },
    reasons: { firewallEnabled: 'nothing refuses incoming IPv6', newCriterion: 'newer' },
  };
  const { status, body } = await askToken(laptop, { posture: reported });
  expect(status).toBe(200);
  const [, claims = ''] = String(body.token).split('.');
  const checks = { ...older, secureBoot: 'unknown' };
  const token = JSON.parse(Buffer.from(claims, 'base64url').toString()) as { posture: unknown };
  expect(token.posture).toEqual({
    measuredAt: expect.any(Number),
    os: 'linux',
    osVersion: '13',
    kernelVersion: '6.12.9',
    agentVersion: '0.1.0',
    checks,
  });
  expect(await lab.ask('GET', `/v1/devices/${laptop.device}/posture`)).toMatchObject({
    status: 200,
    body: {
      kernelVersion: '6.12.9',
      checks,
      reasons: { firewallEnabled: 'nothing refuses incoming IPv6' },
    },
  });
});

it('tells the agent where the gateways are and which hosts are applications', async () => {
  const laptop = await lab.enroll();
  await lab.ask('POST', '/v1/apply', {
    body: {
      resources: [network({ attach: { direct: true } }), app()],
    },
  });
  const answer = await lab.ask('GET', '/v1/device/config', { key: null, client: laptop });
  expect(answer.body).toMatchObject({
    domain: 'example.org',
    gateway: { name: 'gateway.example.org', addresses: ['127.0.0.1:8443'] },
    apps: [{ name: 'grants', host: 'grants.apps.example.org', protocol: 'http', ports: [443, 80] }],
  });
  expect(answer.body.certificateNotAfter).toBeGreaterThan(Date.now() / 1000);
  // There is no more to say of the only one there is.
  expect(answer.body.gateways).toBeUndefined();
});

it('tells the agent of the gateways of all zones, its own among them', async () => {
  const own = await startControlLab({
    gateway: {
      name: 'gateway.example.org',
      addresses: () => ['a.example.org:8443'],
      zone: 'a',
      others: [
        { zone: 'b', addresses: ['b.example.org:8443'] },
        { name: 'c.example.org', addresses: ['[fd00::3]:8443'] },
      ],
    },
  });
  try {
    const laptop = await own.enroll();
    const { body } = await own.ask('GET', '/v1/device/config', { key: null, client: laptop });
    expect([body.gateway, body.gateways]).toEqual([
      { name: 'gateway.example.org', addresses: ['a.example.org:8443'] },
      [
        { name: 'gateway.example.org', zone: 'a', addresses: ['a.example.org:8443'] },
        { name: 'gateway.example.org', zone: 'b', addresses: ['b.example.org:8443'] },
        { name: 'c.example.org', addresses: ['[fd00::3]:8443'] },
      ],
    ]);
  } finally {
    await own.close();
  }
});
