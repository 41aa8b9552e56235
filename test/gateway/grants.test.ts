import { once } from 'node:events';
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ControlEvent } from '../../src/domain/events.ts';
import type { Policy } from '../../src/domain/resources.ts';
import { startApplication, startTcpService } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { labApp, permitAll, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway, LabLaptop } from '../lab/gateway.ts';
import { http2Request, http2Tunnel } from '../lab/http2-client.ts';

let lab: LabGateway;
let alice: LabLaptop;
let bob: LabLaptop;
let slow: LabServer;
let echo: LabServer;
const policies: readonly Policy[] = [
  {
    ...permitAll,
    name: 'everyone',
    cedar: 'permit (principal, action == Action::"access", resource == App::"slow");',
  },
  {
    kind: 'Policy',
    name: 'payroll-fresh',
    cedar:
      'permit (principal, action == Action::"access", resource == App::"payroll") when { context.posture.ageSeconds < 60 };',
  },
];
const posture = (measuredAt: number) => ({
  measuredAt,
  os: 'linux',
  osVersion: '13',
  agentVersion: '1',
  checks: {
    diskEncrypted: true,
    firewallEnabled: true,
    screenLockEnabled: true,
    osUpToDate: true,
    secureBoot: true,
    protectionRunning: true,
  },
});
const nowSeconds = () => Math.floor(Date.now() / 1000);

beforeEach(async () => {
  slow = await startApplication('slow', (_request, response) => {
    response.write('begun');
  });
  echo = await startTcpService((socket) => {
    socket.write('ready\n');
    socket.pipe(socket);
  });
  lab = await startLabGateway({
    apps: [
      labApp('slow', [slow.url]),
      labApp('payroll', [echo.url], { protocol: 'tcp', ports: [7000], network: 'payroll' }),
    ],
    policies,
  });
  [alice, bob] = [await lab.laptop('alice@example.org'), await lab.laptop('bob@example.org')];
});
afterEach(async () => {
  await lab.close();
  slow.close();
  echo.close();
  expect(lab.errors).toEqual([]);
});

interface Flows {
  readonly session: ClientHttp2Session;
  readonly request: ClientHttp2Stream;
  readonly tunnel: ClientHttp2Stream;
}

/** One answer that does not end and one tunnel that is quiet. */
async function openFlows(laptop: LabLaptop): Promise<Flows> {
  const token = await laptop.token({ posture: posture(nowSeconds()) });
  const session = await laptop.session();
  const request = session.request({
    ':path': '/',
    ':authority': 'slow.apps.example.org',
    'proxy-authorization': `Bearer ${token}`,
  });
  request.on('error', () => undefined);
  await once(request, 'data');
  request.resume();
  const tunnel = await http2Tunnel(session, 'payroll.apps.example.org:7000');
  await once(tunnel, 'data');
  tunnel.resume();
  return { session, request, tunnel };
}

const closed = (stream: { readonly closed: boolean; once(event: 'close', listener: () => void): unknown }) =>
  stream.closed ? Promise.resolve() : new Promise<void>((resolve) => stream.once('close', resolve));
const revoke = (laptop: LabLaptop, state: 'revoked' | 'quarantined' | 'lost'): ControlEvent => ({
  type: 'device-state-changed',
  device: laptop.certificate.id,
  state,
  reason: 'test',
});
const endingsOf = (laptop: LabLaptop) =>
  lab.recorder.records
    .filter(
      ({ facts, outcome }) =>
        facts.connection.certificate?.device === laptop.certificate.id && outcome?.refusal !== undefined,
    )
    .map(({ kind, outcome }) => [kind, outcome?.refusal, outcome?.endedBy]);

describe('live flows', () => {
  it('end with the device, its session with them, and nobody else’s', async () => {
    const hers = await openFlows(alice);
    const his = await openFlows(bob);
    lab.commit(revoke(alice, 'revoked'));
    // All of it is cut and on record by the time that the change is applied.
    expect(new Set(endingsOf(alice).map((each) => each.join(' ')))).toEqual(
      new Set(['request device-revoked gateway', 'tunnel-closed device-revoked gateway']),
    );
    await Promise.all([closed(hers.request), closed(hers.tunnel), closed(hers.session)]);
    expect(his.request.closed || his.tunnel.closed || his.session.closed).toBe(false);
    his.tunnel.write('still\n');
    await once(his.tunnel, 'data');
    await expect(alice.session()).rejects.toThrow();
  });

  it('end an idle session of a lost device as well', async () => {
    const session = await alice.session();
    lab.commit(revoke(alice, 'lost'));
    await closed(session);
  });

  it('of a lost device are followed by attempts that are on record as such, and raise an alert', async () => {
    lab.commit(revoke(alice, 'lost'));
    await expect(alice.session()).rejects.toThrow();
    await expect.poll(() => lab.gateway.counters().refusalsTotal['device-lost']).toBe(1);
    const attempt = lab.recorder.records.findLast(({ outcome }) => outcome?.refusal === 'device-lost');
    expect(attempt).toMatchObject({
      kind: 'authentication',
      facts: {
        connection: {
          certificate: { device: alice.certificate.id, thumbprint: alice.certificate.thumbprint },
        },
      },
      outcome: { detail: `${alice.certificate.id} is lost` },
    });
    expect(lab.warnings).toContainEqual({
      detail: `${alice.certificate.id} is lost`,
      source: '127.0.0.1',
    });
  });

  it('end in quarantine, but not the session, which is told why', async () => {
    const { session, request, tunnel } = await openFlows(alice);
    lab.commit(revoke(alice, 'quarantined'));
    await Promise.all([closed(request), closed(tunnel)]);
    expect(endingsOf(alice)).toContainEqual(['tunnel-closed', 'device-quarantined', 'gateway']);
    const answer = await http2Request(session, { ':path': '/', ':authority': 'slow.apps.example.org' });
    expect(JSON.parse(answer.body)).toMatchObject({ status: 403, code: 'device-quarantined' });
    lab.commit({
      type: 'device-state-changed',
      device: alice.certificate.id,
      state: 'active',
      reason: 'clean',
    });
    const again = await http2Tunnel(session, 'payroll.apps.example.org:7000');
    again.resume().end();
    await closed(again);
  });

  it('go on in quarantine where a policy opens their app to quarantined devices, and where they are requests in a tunnel', async () => {
    const help: Policy = {
      kind: 'Policy',
      name: 'help-desk',
      cedar:
        'permit (principal, action, resource == App::"slow") when { context.device.state == "quarantined" };',
    };
    lab.commit({ type: 'resource-put', resource: help });
    const { session, request, tunnel } = await openFlows(alice);
    const carrier = await http2Tunnel(session, 'slow.apps.example.org:443');
    lab.commit(revoke(alice, 'quarantined'));
    await closed(tunnel);
    expect([request.closed, carrier.closed]).toEqual([false, false]);
    expect(endingsOf(alice)).toEqual([['tunnel-closed', 'device-quarantined', 'gateway']]);
    lab.commit({ type: 'resource-deleted', kind: 'Policy', name: 'help-desk' });
    await Promise.all([closed(request), closed(carrier)]);
    expect(session.closed).toBe(false);
  });

  it('end with the policy that allowed them, and no others', async () => {
    const { request, tunnel } = await openFlows(alice);
    lab.commit({ type: 'resource-deleted', kind: 'Policy', name: 'payroll-fresh' });
    await closed(tunnel);
    expect(request.closed).toBe(false);
    expect(endingsOf(alice)).toEqual([['tunnel-closed', 'grant-ended', 'gateway']]);
  });

  it('go on when their app gets another upstream, and end when it leaves', async () => {
    const { request, tunnel } = await openFlows(alice);
    const app = labApp('slow', [slow.url, 'http://127.0.0.1:1']);
    lab.commit({ type: 'resource-put', resource: app });
    expect([request.closed, tunnel.closed]).toEqual([false, false]);
    lab.commit({ type: 'resource-put', resource: { ...app, upstreams: ['http://127.0.0.1:1'] } });
    await closed(request);
    expect(tunnel.closed).toBe(false);
    lab.commit({ type: 'resource-deleted', kind: 'App', name: 'payroll' });
    await closed(tunnel);
  });

  it('end when the posture they were allowed by has grown too old', async () => {
    const { request, tunnel } = await openFlows(alice);
    lab.clock.now += 61_000;
    await closed(tunnel);
    expect(request.closed).toBe(false);
  });

  it('end with the token, unless a fresh one came in time', async () => {
    const hers = await openFlows(alice);
    const his = await openFlows(bob);
    const fresh = await bob.token({ now: nowSeconds() + 20, posture: posture(nowSeconds()) });
    const probe = { ':path': '/.well-known/postern/status', ':authority': 'gateway.example.org' };
    await http2Request(his.session, { ...probe, 'proxy-authorization': `Bearer ${fresh}` });
    lab.clock.now += 605_000;
    await Promise.all([closed(hers.request), closed(hers.tunnel)]);
    expect(endingsOf(alice)).toContainEqual(['request', 'token-expired', 'gateway']);
    expect(his.request.closed).toBe(false);
    expect(hers.session.closed).toBe(false);
  });

  it('end when the session becomes another user’s', async () => {
    const { session, tunnel } = await openFlows(alice);
    const other = await alice.token({ user: 'mallory@example.org', posture: posture(nowSeconds()) });
    await http2Request(session, {
      ':path': '/.well-known/postern/status',
      ':authority': 'gateway.example.org',
      'proxy-authorization': `Bearer ${other}`,
    });
    await closed(tunnel);
    expect(endingsOf(alice)).toContainEqual(['tunnel-closed', 'grant-ended', 'gateway']);
  });
});
