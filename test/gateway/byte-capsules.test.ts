import { once } from 'node:events';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createStreamReader,
  dataHead,
  finalCapsule,
  tokenCapsule,
} from '../../src/contract/stream-capsules.ts';
import { startTcpService } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { labApp, permitAll, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway, LabLaptop } from '../lab/gateway.ts';

const gatewayName = 'gateway.example.org';
const payroll = 'payroll.apps.example.org';
/** A machine may be busy. */
const patient = { timeout: 20_000 };
let lab: LabGateway;
let alice: LabLaptop;
let mallory: LabLaptop;
let echo: LabServer;

beforeAll(async () => {
  // Speaks first; answers each piece; the end of one direction is not that of the other.
  echo = await startTcpService((socket) => {
    socket.allowHalfOpen = true;
    socket.write('220 ready\r\n');
    socket.on('data', (piece: Buffer) => socket.write(piece));
    socket.on('end', () => socket.end('bye'));
    socket.on('error', () => socket.destroy());
  });
  lab = await startLabGateway({
    apps: [
      labApp('payroll', [echo.url], { protocol: 'tcp', ports: [7000] }),
      labApp('names', ['udp://127.0.0.1:53'], { protocol: 'udp', ports: [53] }),
    ],
    policies: [
      permitAll,
      {
        kind: 'Policy',
        name: 'not-mallory',
        cedar: 'forbid (principal == User::"mallory@example.org", action, resource);',
      },
    ],
  });
  alice = await lab.laptop('alice@example.org');
  mallory = await lab.laptop('mallory@example.org');
});
afterAll(async () => {
  await lab.close();
  echo.close();
});

const targetOf = (host: string, port: number): string => `/.well-known/masque/tcp/${host}/${port}/`;

/** Asks for a tunnel; the head of the answer, and what else had come with it. */
async function ask(
  laptop: LabLaptop,
  path: string,
  token: string,
): Promise<{ socket: TLSSocket; head: string; rest: Buffer }> {
  const socket = await laptop.connect({ servername: gatewayName });
  socket.on('error', () => undefined);
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: ${gatewayName}\r\nConnection: Upgrade\r\nUpgrade: connect-tcp\r\n` +
      `Capsule-Protocol: ?1\r\nProxy-Authorization: Bearer ${token}\r\n\r\n`,
  );
  let bytes = Buffer.alloc(0);
  for (;;) {
    const [piece] = (await once(socket, 'data')) as [Buffer];
    bytes = Buffer.concat([bytes, piece]);
    const end = bytes.indexOf('\r\n\r\n');
    if (end < 0) continue;
    return { socket, head: bytes.toString('latin1', 0, end), rest: bytes.subarray(end + 4) };
  }
}

/** What comes out of an open tunnel. */
function listen({ socket, rest }: { socket: TLSSocket; rest: Buffer }): {
  text(): string;
  isOver(): boolean;
  readonly closed: Promise<unknown>;
} {
  let text = '';
  let isOver = false;
  const reader = createStreamReader({
    onData: (part) => (text += part.toString('latin1')),
    onFinal: () => (isOver = true),
  });
  reader.read(rest);
  socket.on('data', (piece: Buffer) => reader.read(piece));
  return { text: () => text, isOver: () => isOver, closed: once(socket, 'close') };
}

const data = (text: string): Buffer => Buffer.concat([dataHead(text.length), Buffer.from(text)]);
const recordOf = (laptop: LabLaptop, from: number) =>
  lab.recorder.next(
    ({ kind, facts }) =>
      kind === 'tunnel-closed' && facts.subject?.certificate.device === laptop.certificate.id,
    from,
  );

describe('connect-tcp', () => {
  it('carries bytes both ways, passes each end on by itself, and is recorded as the CONNECT that it is', async () => {
    const from = lab.recorder.records.length;
    const asked = await ask(alice, targetOf(payroll, 7000), await alice.token());
    expect(asked.head).toMatch(/^HTTP\/1\.1 101 .*upgrade: connect-tcp.*capsule-protocol: \?1/is);
    const heard = listen(asked);
    asked.socket.write(data('one'));
    // In pieces, so that a head is in two of them.
    const two = data('two');
    asked.socket.write(two.subarray(0, 5));
    await expect.poll(() => heard.text(), patient).toBe('220 ready\r\none');
    asked.socket.write(two.subarray(5));
    await expect.poll(() => heard.text(), patient).toBe('220 ready\r\nonetwo');
    expect(heard.isOver()).toBe(false);
    asked.socket.write(finalCapsule);
    await heard.closed;
    expect([heard.text(), heard.isOver()]).toEqual(['220 ready\r\nonetwobye', true]);
    expect(await recordOf(alice, from)).toMatchObject({
      facts: {
        app: { name: 'payroll' },
        subject: { token: { user: 'alice@example.org' } },
        decision: { effect: 'allow' },
        request: { method: 'CONNECT', authority: `${payroll}:7000`, path: '' },
      },
      outcome: { bytesIn: 6, bytesOut: 20 },
    });
  });

  it('carries megabytes to one who reads slowly, without holding them', async () => {
    const asked = await ask(alice, targetOf(payroll, 7000), await alice.token());
    const sent = Buffer.alloc(8 * 1024 * 1024, 'postern ');
    const heard = listen(asked);
    asked.socket.pause();
    asked.socket.write(dataHead(sent.length));
    asked.socket.write(sent);
    asked.socket.write(finalCapsule);
    asked.socket.resume();
    await heard.closed;
    expect(heard.isOver()).toBe(true);
    expect(heard.text().length).toBe('220 ready\r\n'.length + sent.length + 'bye'.length);
  });

  it('goes on under a token that comes inside it, and ends with one that is not valid', async () => {
    const from = lab.recorder.records.length;
    const asked = await ask(alice, targetOf(payroll, 7000), await alice.token());
    const heard = listen(asked);
    const fresh = await alice.token({ now: Math.floor(lab.clock.now / 1000) + 1 });
    asked.socket.write(Buffer.concat([tokenCapsule(fresh), data('on')]));
    await expect.poll(() => heard.text(), patient).toBe('220 ready\r\non');
    await lab.recorder.next(({ kind }) => kind === 'authentication', from + 2);
    // Another laptop's: bound to another certificate.
    asked.socket.write(tokenCapsule(await mallory.token()));
    await heard.closed;
    expect(heard.isOver()).toBe(false);
    expect(await recordOf(alice, from)).toMatchObject({
      outcome: { endedBy: 'gateway', refusal: 'token-bound-elsewhere' },
    });
  });

  it('ends when its token does, and not while a later one stands', async () => {
    const [one, other] = [await lab.laptop('alice@example.org'), await lab.laptop('alice@example.org')];
    const from = lab.recorder.records.length;
    const kept = await ask(one, targetOf(payroll, 7000), await one.token());
    const keptHeard = listen(kept);
    const leftHeard = listen(await ask(other, targetOf(payroll, 7000), await other.token()));
    lab.clock.now += 590_000;
    kept.socket.write(Buffer.concat([tokenCapsule(await one.token()), data('on, ')]));
    await expect.poll(() => keptHeard.text(), patient).toBe('220 ready\r\non, ');
    await lab.recorder.tokensAccepted(3, from);
    lab.clock.now += 20_000;
    await leftHeard.closed;
    expect(await recordOf(other, from)).toMatchObject({ outcome: { refusal: 'token-expired' } });
    kept.socket.write(data('still here'));
    await expect.poll(() => keptHeard.text(), patient).toBe('220 ready\r\non, still here');
    kept.socket.destroy();
  });

  it('is cut when the device is revoked', async () => {
    const carol = await lab.laptop('alice@example.org');
    const from = lab.recorder.records.length;
    const asked = await ask(carol, targetOf(payroll, 7000), await carol.token());
    const heard = listen(asked);
    lab.commit({
      type: 'device-state-changed',
      device: carol.certificate.id,
      state: 'revoked',
      reason: 'stolen',
    });
    await heard.closed;
    expect(heard.isOver()).toBe(false);
    expect(await recordOf(carol, from)).toMatchObject({
      outcome: { refusal: 'device-revoked', endedBy: 'gateway' },
    });
  });

  it.each([
    [
      'what is longer than a token',
      Buffer.concat([tokenCapsule('x').subarray(0, 4), Buffer.from('80010000', 'hex')]),
    ],
    ['data behind its end', Buffer.concat([finalCapsule, data('more')])],
    ['an unknown capsule without end', Buffer.from('01bfffffff', 'hex')],
  ])('is broken off for %s', async (_what, wrong) => {
    const from = lab.recorder.records.length;
    const dave = await lab.laptop('alice@example.org');
    const asked = await ask(dave, targetOf(payroll, 7000), await dave.token());
    const heard = listen(asked);
    asked.socket.write(wrong);
    await heard.closed;
    expect(await recordOf(dave, from)).toMatchObject({
      outcome: { refusal: 'bad-request', endedBy: 'gateway' },
    });
  });

  it.each([
    ['a user whom a policy forbids', () => mallory, targetOf(payroll, 7000), 403, 'denied'],
    [
      'a host that no app has',
      () => alice,
      targetOf('elsewhere.example.org', 7000),
      404,
      'application-unknown',
    ],
    ['a port that the app does not have', () => alice, targetOf(payroll, 7001), 404, 'port-unknown'],
    ['a UDP app', () => alice, targetOf('names.apps.example.org', 53), 400, 'protocol-mismatch'],
    ['the template of UDP', () => alice, `/.well-known/masque/udp/${payroll}/7000/`, 400, 'bad-request'],
  ])('is refused for %s', async (_what, laptop, path, status, code) => {
    const { socket, head, rest } = await ask(laptop(), path, await laptop().token());
    expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    const body = rest.length > 0 ? rest : ((await once(socket, 'data')) as [Buffer])[0];
    expect(JSON.parse(body.toString())).toMatchObject({ code });
    socket.destroy();
  });
});
