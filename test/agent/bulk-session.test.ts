import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemClock } from '../../agent/clock.ts';
import type { BulkLine } from '../../agent/session/bulk-line.ts';
import type { GatewaySession } from '../../agent/session/gateway-session.ts';
import { openGatewaySession } from '../../agent/session/open-session.ts';
import { buildCredentials } from '../../agent/state/credentials.ts';
import { startTcpService } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { labApp, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway, LabLaptop } from '../lab/gateway.ts';

const target = { host: 'echo.apps.example.org', port: 7000 };
let service: LabServer;
let lab: LabGateway;

beforeAll(async () => {
  service = await startTcpService((socket) => {
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });
  lab = await startLabGateway({
    apps: [labApp('echo', [service.url], { protocol: 'tcp', ports: [target.port] })],
  });
});
afterAll(async () => {
  await lab.close();
  service.close();
});

interface Laptop {
  readonly laptop: LabLaptop;
  readonly session: GatewaySession;
  readonly close: () => void;
}

async function openSession(): Promise<Laptop> {
  const laptop = await lab.laptop('alice@example.org');
  const { keyPem, chainPem } = laptop.certificate;
  const ending = new AbortController();
  const session = await openGatewaySession({
    target: { name: 'gateway.example.org', address: `127.0.0.1:${lab.port}` },
    host: '127.0.0.1',
    credentials: buildCredentials(keyPem, chainPem, lab.organization.rootPem),
    clock: systemClock,
    timeoutMs: 10_000,
    signal: ending.signal,
  });
  expect(await session.probe(await laptop.token())).toEqual({ ok: true });
  return { laptop, session, close: () => session.end() };
}

/** A line that is ready, once there is one. */
async function takeLine(session: GatewaySession): Promise<BulkLine> {
  session.lines.prepare();
  let line: BulkLine | undefined;
  await expect.poll(() => (line ??= session.lines.take()), { timeout: 20_000 }).toBeDefined();
  if (line === undefined) throw new TypeError('no line');
  return line;
}

/** A program's connection, and the agent's end of it. */
async function openProgram(): Promise<{ readonly program: Socket; readonly agentSide: Socket }> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const program = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
  program.on('error', () => undefined);
  const [agentSide] = await accepted;
  server.close();
  return { program, agentSide };
}

/** A program that is joined to the echo on a line of the session, and has heard from it. */
async function openTunnel(session: GatewaySession): Promise<Socket> {
  const line = await takeLine(session);
  const { program, agentSide } = await openProgram();
  expect((await line.ask(target)).status).toBe(101);
  line.join(agentSide, Buffer.from('hello'));
  expect(String(await once(program, 'data'))).toBe('hello');
  return program;
}

const says = async (program: Socket, text: string): Promise<string> => {
  program.write(text);
  return String(await once(program, 'data'));
};
/** How a program's connection ends: `end`, or the error of a reset. */
const ending = (program: Socket): Promise<string> =>
  new Promise((resolve) => {
    program.once('end', () => resolve('end'));
    program.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code ?? ''));
  });

it('goes on under each token that its session is given, and ends with the last', async () => {
  const { laptop, session, close } = await openSession();
  const program = await openTunnel(session);
  lab.clock.now += 590_000;
  const from = lab.recorder.records.length;
  expect(await session.probe(await laptop.token())).toEqual({ ok: true });
  // Of the session and of the line, which may still be at it when the session has its answer.
  await lab.recorder.tokensAccepted(2, from);
  expect(await says(program, 'before')).toBe('before');
  lab.clock.now += 300_000;
  expect(await says(program, 'after')).toBe('after');
  const ended = ending(program);
  lab.clock.now += 310_000;
  expect(await ended).toBe('ECONNRESET');
  close();
});

it('is asked for with the token that came while it waited', async () => {
  const { laptop, session, close } = await openSession();
  const line = await takeLine(session);
  lab.clock.now += 590_000;
  line.show(await laptop.token());
  lab.clock.now += 300_000;
  expect((await line.ask(target)).status).toBe(101);
  line.end();
  close();
});

it('keeps a session that is for no new flows until its last line ended', async () => {
  const { session } = await openSession();
  const program = await openTunnel(session);
  session.drain();
  expect(session.lines.take()).toBeUndefined();
  expect(await says(program, 'still here')).toBe('still here');
  program.end();
  await session.ended;
});

it('breaks off with its session, which the program does not take for an end', async () => {
  const { session } = await openSession();
  const program = await openTunnel(session);
  const ended = ending(program);
  session.end();
  expect(await ended).toBe('ECONNRESET');
});

it('is cut when the device is revoked', async () => {
  const { laptop, session } = await openSession();
  const program = await openTunnel(session);
  const ended = ending(program);
  lab.commit({
    type: 'device-state-changed',
    device: laptop.certificate.id,
    state: 'revoked',
    reason: 'stolen',
  });
  expect(await ended).toBe('ECONNRESET');
});

it('is refused where the application does not exist, with the answer of the gateway', async () => {
  const { session, close } = await openSession();
  const line = await takeLine(session);
  const answer = await line.ask({ host: 'elsewhere.example.org', port: 7000 });
  expect([answer.status, JSON.parse(answer.body.toString()).code]).toEqual([404, 'application-unknown']);
  await line.ended;
  close();
});
