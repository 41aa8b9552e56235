import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:https';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { Type } from 'typebox';
import { afterEach, beforeAll, expect, it } from 'vitest';
import { AgentError } from '../../agent/agent-error.ts';
import { callControl } from '../../agent/control/control-client.ts';
import { explainControlError } from '../../agent/control/explain-control-error.ts';
import { message } from '../../agent/messages.ts';
import { classifyFailure } from '../../agent/session/failure.ts';
import { buildProblem } from '../../src/contract/refusals.ts';
import { makeOrganization } from '../lab/pki.ts';
import type { LabCertificate, Organization } from '../lab/pki.ts';
import { makeWorld } from './lab/world.ts';

let organization: Organization;
let ours: LabCertificate;
let theirs: LabCertificate;
beforeAll(async () => {
  organization = await makeOrganization();
  ours = await organization.issueControl();
  theirs = await (await makeOrganization()).issueControl();
});

let closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing) close();
  closing = [];
});

async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => server.close());
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** An HTTPS server with one answer to everything. */
async function answering(
  { keyPem, bundlePem }: LabCertificate,
  status: number,
  type: string,
  body: string,
): Promise<string> {
  const server = createServer({ key: keyPem, cert: bundlePem }, (_request, response) => {
    response.writeHead(status, { 'content-type': type, connection: 'close' });
    response.end(body);
  });
  return listen(server);
}

const portal = '<!doctype html><title>Sign in to the Wi-Fi</title>';
const problem = (code: Parameters<typeof buildProblem>[0]): [number, string, string] => [
  buildProblem(code).status,
  'application/problem+json',
  JSON.stringify(buildProblem(code)),
];

/** What the agent makes of whatever is at an address: the state of `up`, and what a command says. */
async function ask(
  url: string,
): Promise<{ state: string; exitCode: number | undefined; key: string; en: string; fr: string }> {
  const error: unknown = await callControl(
    { url, authorityPem: organization.rootPem, timeoutMs: 3000 },
    'GET',
    '/v1/device/config',
    undefined,
    Type.Object({ apps: Type.Array(Type.String()) }),
  ).then(
    () => new Error('it was understood'),
    (thrown: unknown) => thrown,
  );
  const told = explainControlError(error, 'https://control');
  if (!(told instanceof AgentError)) throw error;
  const { key, exitCode, values } = told;
  const { state } = classifyFailure(error, false);
  return { state, key, exitCode, en: message('en', key, values), fr: message('fr', key, values) };
}

it('takes what fits for the answer of a control plane', async () => {
  const url = await answering(ours, 200, 'application/json', '{"apps":["grants"]}');
  await expect(ask(url)).rejects.toThrow('it was understood');
});

it('says that nothing can be reached where nothing answers', async () => {
  const gone = createTcpServer();
  const refused = await listen(gone);
  gone.close();
  await once(gone, 'close');
  const unreachable = { state: 'control-unreachable', key: 'control-unreachable', exitCode: 3 };
  expect(await ask(refused)).toMatchObject(unreachable);
  expect(await ask('https://control.invalid:8444')).toMatchObject(unreachable);
  const silent = createTcpServer((socket) => void socket.on('error', () => {}));
  silent.on('connection', (socket) => closing.push(() => void socket.destroy()));
  const mute = await ask(await listen(silent));
  expect(mute).toMatchObject(unreachable);
  expect(mute.en).toBe('The control plane https://control cannot be reached: timed out');
  const hanging = createServer({ key: ours.keyPem, cert: ours.bundlePem }, () => undefined);
  closing.push(() => hanging.closeAllConnections());
  expect(await ask(await listen(hanging))).toMatchObject(unreachable);
});

it('shows code and sentence of a control plane that is there and cannot', async () => {
  const ill = await ask(await answering(ours, ...problem('store-unavailable')));
  const { title } = buildProblem('store-unavailable');
  expect(ill).toMatchObject({ state: 'control-unable', key: 'control-unable', exitCode: 3 });
  expect(ill.en).toContain(`it cannot just now: ${title} (store-unavailable)`);
  expect(ill.fr).toContain(`pour le moment : ${title} (store-unavailable)`);
});

it('shows code and sentence of one that says no', async () => {
  const revoked = await ask(await answering(ours, ...problem('device-revoked')));
  expect(revoked).toMatchObject({ state: 'revoked', key: 'control-refused', exitCode: 1 });
  expect(revoked.en).toContain('(device-revoked)');
});

it.each<[string, number, string, string]>([
  ['the page of a captive portal', 200, 'text/html', portal],
  ['a proxy that has lost what is behind it', 502, 'text/html; charset=utf-8', '<h1>502 Bad Gateway</h1>'],
  ['a page that is not there', 404, 'text/html', '<h1>Not Found</h1>'],
  ['a redirect', 302, 'text/html', ''],
  ['JSON of something else', 200, 'application/json', '{"apps":"none"}'],
  ['an error of something else in JSON', 500, 'application/json', '{"error":"x"}'],
  ['half an answer', 200, 'application/json', '{"apps":['],
])('says that %s is no answer of a control plane, though the certificate is right', async (_, ...answer) => {
  const foreign = await ask(await answering(ours, ...answer));
  expect(foreign).toMatchObject({ state: 'control-foreign', key: 'control-not-understood', exitCode: 3 });
  expect(foreign.en).toContain(`HTTP ${answer[0]}, ${answer[1].split(';')[0]}`);
  expect(foreign.fr).toContain('ne parle pas comme un plan de contrôle');
});

it('says so of garbage where HTTP should be', async () => {
  const { createServer: createTlsServer } = await import('node:tls');
  const garbage = createTlsServer({ key: ours.keyPem, cert: ours.bundlePem }, (socket) => {
    socket.on('error', () => {});
    socket.end('SSH-2.0-OpenSSH_9.9\r\n');
  });
  expect(await ask(await listen(garbage))).toMatchObject({ key: 'control-not-understood', exitCode: 3 });
});

it('says that another is there, and asks it nothing, where the certificate is of another organization', async () => {
  let asked = 0;
  const server = createServer({ key: theirs.keyPem, cert: theirs.bundlePem }, (_, response) => {
    asked += 1;
    response.end();
  });
  const foreign = await ask(await listen(server));
  expect(foreign).toMatchObject({ state: 'control-foreign', key: 'control-foreign', exitCode: 3 });
  expect(foreign.en).toContain('is not the control plane that this laptop is enrolled with');
  expect(asked).toBe(0);
});

it('says the same of a captive portal that answers TLS with plain HTTP, or under another name', async () => {
  const plain = createTcpServer((socket) => {
    socket.on('error', () => {});
    socket.end(`HTTP/1.1 302 Found\r\nLocation: http://wifi/\r\n\r\n${portal}`);
  });
  expect(await ask(await listen(plain))).toMatchObject({ key: 'control-foreign', exitCode: 3 });
  const named = await organization.issueControl({ dnsNames: ['elsewhere.example.org'], addresses: [] });
  expect(await ask(await answering(named, 200, 'text/html', portal))).toMatchObject({
    key: 'control-foreign',
  });
  const unencrypted = createHttpServer((_, response) => void response.end(portal));
  expect(await ask(await listen(unencrypted))).toMatchObject({ key: 'control-foreign' });
});

it('is in a state of its own while the control plane answers that it cannot, and connects when it can', async () => {
  const world = await makeWorld();
  try {
    world.control.refuse('/v1/device/token', 'store-unavailable');
    const laptop = await world.startLaptop();
    const view = await laptop.reach('control-unable');
    expect(view.lastRefusal).toMatchObject({ code: 'store-unavailable', status: 503 });
    world.control.instead.clear();
    await laptop.reach('connected');
  } finally {
    await world.close();
  }
});
