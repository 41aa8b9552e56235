/**
 * What passes a gateway is nobody's but the two ends': content, cookies, tokens, passwords, queries. A record, a log line, an error
 * message or a metric that holds a piece of it hands it to everybody who reads records, for a year (CWE-532; pomerium and oauth2-proxy
 * both logged tokens of their users). Marked texts are put in every such place, both ways, in requests, tunnels, WebSockets,
 * refusals, findings and failures of a real server, and everything that comes out is searched.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { createServer as createTcpServer, Socket } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { parseDocument } from 'yaml';
import { startAgent } from '../../agent/agent.ts';
import type { RunningAgent } from '../../agent/agent.ts';
import { systemClock } from '../../agent/clock.ts';
import { enrollDevice } from '../../agent/enrollment/enroll.ts';
import { createKeyAndRequest } from '../../certs/request.ts';
import { ask as askProxy, connectThrough } from '../agent/lab/proxy-client.ts';
import { postureOf } from '../agent/lab/world.ts';
import { runPostern } from '../cli/run-postern.ts';
import { makeInstallation } from '../control/installation.ts';
import type { Installation } from '../control/installation.ts';
import { recordsIn } from '../lab/flow-records.ts';
import { startServing } from '../lab/serving.ts';
import type { Serving } from '../lab/serving.ts';
import { createCanaries, filesBelow } from '../lab/canaries.ts';

// A real server with all its processes, on a machine that may be busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 90_000 });

/** Without them nothing is found, and all else is looked at. */
const hasRules = existsSync('/usr/share/modsecurity-crs/rules');
const alice = 'alice@example.org';
const canaries = createCanaries();
const { at } = canaries;
const opened: (Server | Socket)[] = [];
let made: Installation;
let server: Serving;
let client: { readonly cert: string; readonly key: string };
let token: string;
const outputs = (): string => join(made.directory, 'outputs');
const flows = (): string => join(made.data, 'flows');

/** An application that answers with canaries, breaks off, or speaks no HTTP. */
async function startWeb(): Promise<number> {
  const web = createServer((asked, response) => {
    asked.resume();
    const { socket } = asked;
    if (asked.url?.startsWith('/broken') === true)
      socket.end(`HTTP/1.1 200 OK\r\nbad field ${at('broken answer')}\r\n\r\n${at('broken body')}`);
    else if (asked.url?.startsWith('/nonsense') === true) socket.end(`${at('no answer')}\r\n\r\n`);
    else if (asked.url?.startsWith('/cut') === true) {
      response.writeHead(200, { 'content-length': 1000 });
      response.write(at('body cut off'), () => socket.destroy());
    } else
      asked.on('end', () => {
        response.writeHead(asked.url?.startsWith('/error') === true ? 500 : 200, {
          'set-cookie': `session=${at('cookie of an answer')}`,
          'www-authenticate': `Basic realm="${at('challenge of an answer')}"`,
          location: `/next?code=${at('query of a redirect')}`,
          'x-trace': at('field of an answer'),
        });
        response.end(`hello ${at('body of an answer')}`);
      });
  });
  web.on('upgrade', (asked, socket) => {
    socket.on('error', () => undefined);
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n' +
        `sec-websocket-accept: x\r\nset-cookie: ws=${at('cookie of an upgrade')}\r\n\r\n${at('message of an application')}`,
    );
    asked.socket.on('data', () => socket.end());
  });
  return listen(web);
}

async function startEcho(): Promise<number> {
  return listen(
    createTcpServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (data) => socket.end(`${String(data)} ${at('bytes of a server')}`));
    }),
  );
}

async function listen(listener: Server): Promise<number> {
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  opened.push(listener);
  return (listener.address() as AddressInfo).port;
}

const app = (name: string, protocol: string, upstream: string, more: object = {}): object => ({
  kind: 'App',
  name,
  network: 'office',
  host: `${name}.apps.example.org`,
  protocol,
  upstreams: [upstream],
  ...more,
});
const permit = (name: string): object => ({
  kind: 'Policy',
  name: `${name}-everyone`,
  cedar: `permit (principal, action, resource == App::"${name}");`,
});

async function ask(
  path: string,
  { method = 'POST', body, headers = {} }: { method?: string; body?: string; headers?: object } = {},
): Promise<{ status: number | undefined; text: string }> {
  const outgoing = request({
    host: '127.0.0.1',
    port: server.portOf('control'),
    path,
    method,
    ca: made.rootPem,
    ...client,
    agent: false,
    headers: {
      ...(body === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
      ...headers,
    },
  });
  outgoing.end(body);
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return { status: response.statusCode, text };
}

beforeAll(async () => {
  made = await makeInstallation();
  mkdirSync(outputs());
  const settings = parseDocument(await readFile(made.configFile, 'utf8'));
  settings.setIn(['log', 'level'], 'debug');
  settings.setIn(['gateway', 'addresses'], ['127.0.0.1:0']);
  settings.set('flows', settings.createNode({ minFreeBytes: 0, dropAtBound: [], pseudonyms: true }));
  const sinks = ['ocsf', 'ecs', 'cef'].map((format) => ({
    name: format,
    type: 'file',
    from: 'beginning',
    format,
    path: join(outputs(), `${format}.log`),
    rotateMegabytes: 100,
  }));
  settings.set('sinks', settings.createNode(sinks));
  await writeFile(made.configFile, String(settings));
  server = await startServing(made.configFile, 'all');
  const web = await startWeb();
  const echo = await startEcho();
  const control = server.portOf('control');
  const resources = [
    { kind: 'Network', name: 'office', attach: { direct: true } },
    app('grants', 'http', `http://127.0.0.1:${web}`, { inspect: ['waf'] }),
    app('closed', 'http', `http://127.0.0.1:${web}`),
    app('gone', 'http', 'http://127.0.0.1:1'),
    app('code', 'tcp', `tcp://127.0.0.1:${echo}`, { ports: [4000] }),
    ...['grants', 'gone', 'code'].map(permit),
  ];
  expect(await made.api(control, 'POST', '/v1/apply', { resources })).toMatchObject({ status: 200 });
  const invited = await made.api(control, 'POST', '/v1/enrollment-tokens', { user: alice });
  canaries.watch('enrollment token', String(invited.body.token).split('.').at(-1) ?? '');
  canaries.watch('API key', made.apiKey.split('.').at(-1) ?? '');
  const { privateKeyPem, csrPem } = await createKeyAndRequest();
  const enrolled = await made.api(control, 'POST', '/v1/enroll', { token: invited.body.token, csr: csrPem });
  client = { cert: String(enrolled.body.certificate), key: privateKeyPem };
  const state = { state: 'active', reason: 'seen' };
  await made.api(control, 'POST', `/v1/devices/${enrolled.body.device}/state`, state);
  const given = await ask('/v1/device/token', { body: '{}' });
  ({ token } = JSON.parse(given.text) as { token: string });
  canaries.watch('session token, its claims', token.split('.')[1] ?? '');
  canaries.watch('session token, its signature', token.split('.')[2] ?? '');
  canaries.watch('user', alice);
}, 90_000);
afterAll(async () => {
  for (const each of opened) {
    if (each instanceof Socket) each.destroy();
    else each.close();
  }
  await server.kill();
  await made.remove();
});

async function connect(servername: string): Promise<TLSSocket> {
  const socket = connectTls({
    host: '127.0.0.1',
    port: server.portOf('gateway'),
    servername,
    ca: made.rootPem,
    ...client,
  });
  socket.on('error', () => undefined);
  opened.push(socket);
  await once(socket, 'secureConnect');
  return socket;
}

/** Sends a request as it is, and what more at the first answer; gives all that came until the connection ended. */
async function say(socket: TLSSocket, text: string, more?: string): Promise<string> {
  let heard = '';
  socket.on('data', (chunk: Buffer) => {
    if (heard === '' && more !== undefined) socket.write(more);
    heard += chunk.toString('latin1');
  });
  socket.write(text);
  if (!socket.closed) await once(socket, 'close');
  return heard;
}
const bearer = (): string => `Proxy-Authorization: Bearer ${token}\r\n`;
const agentProgram = fileURLToPath(new URL('../../agent/main.ts', import.meta.url));
const laptop = (): string => join(made.directory, 'laptop');
const said: string[] = [];
/** An agent of Alice on another laptop, connected, that logs all that it can. */
async function startLaptop(): Promise<RunningAgent> {
  const control = server.portOf('control');
  const invited = await made.api(control, 'POST', '/v1/enrollment-tokens', { user: alice });
  canaries.watch('enrollment token of the agent', String(invited.body.token).split('.').at(-1) ?? '');
  const url = `https://127.0.0.1:${control}`;
  const chosen = { proxyPort: 0 };
  const token = String(invited.body.token);
  await enrollDevice({ url, token, directory: laptop(), force: false, chosen, clock: systemClock });
  canaries.watch('device key', readFileSync(join(laptop(), 'device.key'), 'utf8').split('\n')[1] ?? '');
  const connected = Promise.withResolvers<void>();
  const agent = await startAgent({
    directory: laptop(),
    posture: postureOf(),
    clock: systemClock,
    random: () => 0.5,
    log: pino({ level: 'trace' }, { write: (line: string) => void said.push(line) }),
    language: 'en',
    onState: ({ state }) => (state === 'connected' ? connected.resolve() : undefined),
  });
  await connected.promise;
  return agent;
}

/** Fields in which secrets travel. */
const fields = (kind: string): string =>
  `Cookie: session=${at(`cookie ${kind}`)}\r\nAuthorization: Bearer ${at(`authorization ${kind}`)}\r\n` +
  `X-Api-Key: ${at(`field ${kind}`)}\r\nReferer: https://else.example.org/?t=${at(`referer ${kind}`)}\r\n`;
const post = (host: string, path: string, kind: string, more = bearer()): string => {
  const body = `password=${at(`body ${kind}`)}`;
  return (
    `POST ${path}?secret=${at(`query ${kind}`)} HTTP/1.1\r\nHost: ${host}.apps.example.org\r\nConnection: close\r\n` +
    `${more}${fields(kind)}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  );
};
const web = async (host: string, path: string, kind: string, more?: string): Promise<string> =>
  say(await connect(`${host}.apps.example.org`), post(host, path, kind, more));
const statusOf = (answer: string): number => Number(answer.slice(9, 12));

it('no content, cookie, token, password or query comes out anywhere', async () => {
  // Let through, and answered with as much.
  const answered = await web('grants', '/applications/17', 'let through');
  expect(answered).toContain(at('body of an answer'));
  expect(statusOf(await web('grants', '/error', 'answered by an error'))).toBe(500);
  // Refused: by policy, for an application that is not there, without a token, with a broken one.
  expect(statusOf(await web('closed', '/', 'denied'))).toBe(403);
  const nowhere = `CONNECT nowhere.apps.example.org:443 HTTP/1.1\r\nHost: nowhere.apps.example.org:443\r\nConnection: close\r\n${bearer()}${fields('of no application')}\r\n`;
  expect(statusOf(await say(await connect('gateway.example.org'), nowhere))).toBe(404);
  expect(statusOf(await web('grants', '/', 'without a token', ''))).toBe(401);
  const forged = `${token.split('.').slice(0, 2).join('.')}.${at('forged signature')}`;
  expect(
    statusOf(await web('grants', '/', 'with a forged token', `Proxy-Authorization: Bearer ${forged}\r\n`)),
  ).toBe(401);
  const basic = `Proxy-Authorization: Basic ${Buffer.from(`alice:${at('basic password')}`).toString('base64')}\r\n`;
  expect(statusOf(await web('grants', '/', 'with a password', basic))).toBe(401);
  // What can be read two ways.
  expect(statusOf(await web('grants', '/a/%2e%2e/b', 'ambiguous'))).toBe(400);
  expect(statusOf(await web('grants', '/', 'with a name twice', `${bearer()}Content-Length: 5\r\n`))).toBe(
    400,
  );
  expect(
    statusOf(await web('grants', '/', 'with an underscore', `${bearer()}X_Secret: ${at('odd field')}\r\n`)),
  ).toBe(400);
  const socket = await connect('grants.apps.example.org');
  await say(socket, `${at('no request at all')}\r\n\r\n`);
  const absolute = `GET https://alice:${at('password in an address')}@grants.apps.example.org/?q=${at('query of an address')} HTTP/1.1\r\nHost: grants.apps.example.org\r\nConnection: close\r\n${bearer()}\r\n`;
  await say(await connect('grants.apps.example.org'), absolute);
  // An attack with secrets in the very values that rules look at, which is a finding.
  const sql = (place: string): string =>
    encodeURIComponent(`${at(place)}' OR 1=1 UNION SELECT password FROM users -- `);
  const form = `q=${sql('attack in a body')}`;
  const attack =
    `POST /search?q=${sql('attack in a query')} HTTP/1.1\r\nHost: grants.apps.example.org\r\nConnection: close\r\n${bearer()}` +
    `Cookie: q=${sql('attack in a cookie')}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ${form.length}\r\n\r\n${form}`;
  await say(await connect('grants.apps.example.org'), attack);
  // Failures of the application.
  for (const [path, kind] of [
    ['/broken', 'to a broken one'],
    ['/nonsense', 'to nonsense'],
    ['/cut', 'to one that breaks off'],
  ] as const)
    await web('grants', path, kind);
  expect(statusOf(await web('gone', '/', 'to one that is gone'))).toBe(502);
  // A tunnel, and a WebSocket.
  const tunnel = `CONNECT code.apps.example.org:4000 HTTP/1.1\r\nHost: code.apps.example.org:4000\r\n${bearer()}${fields('of a tunnel')}\r\n`;
  expect(await say(await connect('gateway.example.org'), tunnel, at('bytes of a client'))).toContain(
    at('bytes of a server'),
  );
  const upgrade =
    `GET /live?token=${at('query of an upgrade')} HTTP/1.1\r\nHost: grants.apps.example.org\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
    `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: bearer.${at('subprotocol')}\r\n${bearer()}${fields('of an upgrade')}\r\n`;
  expect(await say(await connect('grants.apps.example.org'), upgrade, at('message of a client'))).toContain(
    '101',
  );
  // The same by way of a laptop's agent.
  const agent = await startLaptop();
  const through = async (host: string, kind: string): Promise<number> =>
    (
      await askProxy(agent.port, `http://${host}.apps.example.org/by-agent?secret=${at(`query ${kind}`)}`, {
        method: 'POST',
        headers: {
          cookie: `session=${at(`cookie ${kind}`)}`,
          authorization: `Bearer ${at(`authorization ${kind}`)}`,
        },
        body: `password=${at(`body ${kind}`)}`,
      })
    ).status;
  expect(await through('grants', 'by the agent')).toBe(200);
  expect(await through('closed', 'by the agent, denied')).toBe(403);
  expect(await through('gone', 'by the agent, to one that is gone')).toBe(502);
  await through('else.example', 'by the agent, for nobody of ours');
  const { socket: piped } = await connectThrough(agent.port, 'code.apps.example.org:4000');
  piped.resume().end(at('bytes by the agent'));
  await once(piped, 'close');
  const bundle = join(made.directory, 'bundle.tar');
  const doctor = spawn(process.execPath, [agentProgram, 'doctor', '--state', laptop(), '--output', bundle], {
    stdio: 'pipe',
  });
  let agentSaid = '';
  for (const stream of [doctor.stdout, doctor.stderr])
    stream.on('data', (chunk: Buffer) => (agentSaid += chunk.toString()));
  expect(await once(doctor, 'close'), agentSaid).toEqual([0, null]);
  await agent.stop();

  // The API: what it does not take.
  await ask('/v1/apply', {
    body: `{"resources": [{"${at('key of a body')}": "${at('value of a body')}"}]}`,
    headers: { authorization: `Bearer ${made.apiKey}` },
  });
  await ask('/v1/apply', {
    body: `{"resources": ${at('broken JSON')}`,
    headers: { authorization: `Bearer ${made.apiKey}` },
  });
  await ask('/v1/devices', {
    method: 'GET',
    headers: { authorization: `Bearer ${at('API key that is none')}`, cookie: at('cookie of the API') },
  });
  await ask('/v1/enroll', {
    body: JSON.stringify({
      token: at('enrollment token that is none'),
      csr: at('no request for a certificate'),
    }),
  });
  await ask('/v1/device/token', { body: JSON.stringify({ signIn: at('sign-in that is none') }) });
  await ask(`/v1/devices?x=${at('query of the API')}`, {
    method: 'GET',
    headers: { authorization: `Bearer ${made.apiKey}` },
  });

  // All of it is on record, and delivered.
  const refusalsSeen = (): Set<unknown> =>
    new Set(recordsIn(flows()).map(({ unmapped }) => unmapped.postern['refusal']));
  await vi.waitUntil(
    () =>
      ['denied', 'application-unknown', 'token-malformed', 'path-ambiguous', 'upstream-unreachable'].every(
        (code) => refusalsSeen().has(code),
      ),
    { timeout: 60_000 },
  );
  const isTunnelClosed = (): boolean =>
    recordsIn(flows()).filter(({ type_uid: type }) => type === 400_102).length >= 2;
  await vi.waitUntil(isTunnelClosed, { timeout: 60_000 });
  const findings = (): unknown[] =>
    recordsIn(flows()).flatMap(({ unmapped }) => unmapped.postern['rule'] ?? []);
  if (hasRules) await vi.waitUntil(() => findings().includes('requests-suspicious'), { timeout: 60_000 });
  const count = (): number => recordsIn(flows()).length;
  await vi.waitUntil(() => (filesBelow(outputs()).get('ocsf.log') ?? '').split('\n').length > count(), {
    timeout: 60_000,
  });

  const operator = `http://127.0.0.1:${server.portOf('operator')}`;
  const outputsOf = new Map<string, string>();
  for (const folder of ['flows', 'access', 'sinks', 'checkpoints', 'kept'])
    for (const [name, text] of filesBelow(join(made.data, folder))) outputsOf.set(`${folder}/${name}`, text);
  for (const [name, text] of filesBelow(outputs())) outputsOf.set(`sink ${name}`, text);
  outputsOf.set('logs', server.logged());
  for (const path of ['/metrics', '/readyz', '/healthz'])
    outputsOf.set(path, await (await fetch(operator + path)).text());
  for (const args of [
    ['flows', 'export', '--format', 'ecs', '--data', made.data],
    ['flows', 'export', '--format', 'cef', '--data', made.data],
    ['flows', 'verify', '--data', made.data],
    ['flows', 'search', '--whole', '--since', '1h', '-o', 'json', '--data', made.data],
    ['doctor', '--config', made.configFile, '-o', 'json'],
  ]) {
    const { out, err } = await runPostern(args);
    expect(out.length).toBeGreaterThan(0);
    outputsOf.set(args.join(' '), out + err);
  }
  outputsOf.set('agent, its log', said.join(''));
  outputsOf.set('agent, its bundle', `${readFileSync(bundle, 'latin1')}${agentSaid}`);
  expect(canaries.count).toBeGreaterThan(100);
  const leaks = [...outputsOf].flatMap(([output, text]) =>
    canaries.foundIn(text).map((place) => `${place}: ${output}`),
  );
  // Whom a laptop was given to is in the log of who made it so, and the laptop knows its user.
  const expected = /^user: (logs|agent, .*)$/;
  expect(leaks.filter((leak) => !expected.test(leak))).toEqual([]);
  // The search finds what is there: the path is on record, and so is the pseudonym.
  expect(outputsOf.get('sink ocsf.log')).toContain('/applications/17');
  expect(outputsOf.get('sink ocsf.log')).toMatch(/"user":"p-[0-9]{4}-[0-9]{2}-[a-z2-7]{26}"/);
  for (const output of ['logs', 'agent, its log', 'agent, its bundle'])
    expect(outputsOf.get(output)?.length, output).toBeGreaterThan(100);
});
