import { once } from 'node:events';
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import type { Duplex } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCapsuleReader, encodeDatagram } from '../../src/contract/datagram-capsules.ts';
import { startTcpService } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { labApp, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway, LabLaptop } from '../lab/gateway.ts';
import { startDatagramEcho } from '../lab/speakers.ts';
import type { DatagramEcho } from '../lab/speakers.ts';

const names = 'names.apps.example.org';
const gatewayName = 'gateway.example.org';
let lab: LabGateway;
let alice: LabLaptop;
let bob: LabLaptop;
let dns: DatagramEcho;
let tcp: LabServer;

beforeAll(async () => {
  dns = await startDatagramEcho('dns');
  tcp = await startTcpService((socket) => void socket.end('tcp\r\n'));
  const closed = await startDatagramEcho('closed');
  await closed.close();
  lab = await startLabGateway({
    apps: [
      labApp('names', [`udp://127.0.0.1:${dns.port}`], { protocol: 'udp', ports: [53] }),
      labApp('checked', [`udp://127.0.0.1:${dns.port}`], {
        protocol: 'udp',
        ports: [53],
        protocolCheck: { expect: 'dns' },
      }),
      labApp('nobody', [`udp://127.0.0.1:${closed.port}`], { protocol: 'udp', ports: [53] }),
      labApp('payroll', [tcp.url], { protocol: 'tcp', ports: [7000] }),
    ],
    policies: [
      {
        kind: 'Policy',
        name: 'alice',
        cedar: 'permit (principal == User::"alice@example.org", action == Action::"access", resource);',
      },
    ],
    limits: { datagramIdleTimeoutMs: 60_000 },
  });
  alice = await lab.laptop('alice@example.org');
  bob = await lab.laptop('bob@example.org');
});
afterAll(async () => {
  await lab.close();
  await dns.close();
  tcp.close();
});

const targetOf = (host: string, port: number | string): string => `/.well-known/masque/udp/${host}/${port}/`;

async function ask(
  session: ClientHttp2Session,
  path: string,
  token?: string,
): Promise<{ stream: ClientHttp2Stream; answer: IncomingHttpHeaders; body: () => Promise<string> }> {
  const stream = session.request(
    {
      ':method': 'CONNECT',
      ':protocol': 'connect-udp',
      ':scheme': 'https',
      ':authority': gatewayName,
      ':path': path,
      'capsule-protocol': '?1',
      ...(token === undefined ? {} : { 'proxy-authorization': `Bearer ${token}` }),
    },
    { endStream: false },
  );
  stream.on('error', () => undefined);
  const [answer] = (await once(stream, 'response')) as [IncomingHttpHeaders];
  return {
    stream,
    answer,
    async body() {
      let text = '';
      stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
      stream.end();
      await once(stream, 'close');
      return text;
    },
  };
}

/** What comes out of a stream of capsules, one datagram after the other. */
function datagramsOf(stream: Duplex): () => Promise<string> {
  const arrived: string[] = [];
  let wake: (() => void) | undefined;
  const reader = createCapsuleReader((payload) => {
    arrived.push(payload.toString('latin1'));
    wake?.();
  });
  stream.on('data', (piece: Buffer) => reader.read(piece));
  return async () => {
    while (arrived.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    return arrived.shift() ?? '';
  };
}

const closedRecord = (laptop: LabLaptop, from: number) =>
  lab.recorder.next(
    ({ kind, facts }) =>
      kind === 'tunnel-closed' && facts.subject?.certificate.device === laptop.certificate.id,
    from,
  );

describe('connect-udp', () => {
  it('carries only what is DNS where that is expected: another datagram reaches nobody', async () => {
    const host = 'checked.apps.example.org';
    const question = Buffer.from('1234010000010000000000000678616d706c650000010001', 'hex');
    const session = await alice.session();
    for (const payload of [question, Buffer.from('shell, please')]) {
      const from = lab.recorder.records.length;
      const { stream, answer } = await ask(session, targetOf(host, 53), await alice.token());
      expect(answer[':status']).toBe(200);
      const peers = dns.peers.length;
      stream.write(encodeDatagram(payload));
      const { outcome } = await closedRecord(alice, from);
      // The service answers with its name before what it got, which is no DNS either.
      const side = payload === question ? 'upstream: no DNS answer' : 'client: no DNS question';
      expect([outcome?.refusal, outcome?.detail?.split(';')[0]]).toEqual(['protocol-unexpected', side]);
      expect(dns.peers.length - peers).toBe(payload === question ? 1 : 0);
    }
    session.destroy();
  });

  it('carries datagrams both ways, each whole, and records them as a UDP flow', async () => {
    const from = lab.recorder.records.length;
    const session = await alice.session();
    const { stream, answer } = await ask(session, targetOf(names, 53), await alice.token());
    expect([answer[':status'], answer['capsule-protocol']]).toEqual([200, '?1']);
    const next = datagramsOf(stream);
    stream.write(Buffer.concat([encodeDatagram(Buffer.from('a')), encodeDatagram(Buffer.alloc(0))]));
    expect([await next(), await next()]).toEqual(['dns:a', 'dns:']);
    const large = 'x'.repeat(9000);
    stream.write(encodeDatagram(Buffer.from(large)));
    expect(await next()).toBe(`dns:${large}`);
    stream.end();
    expect(await closedRecord(alice, from)).toMatchObject({
      facts: {
        app: { name: 'names', protocol: 'udp' },
        subject: { token: { user: 'alice@example.org' } },
        decision: { effect: 'allow', policies: ['alice'] },
        upstream: { network: 'finance', address: '127.0.0.1', port: dns.port },
        request: { method: 'CONNECT', authority: `${names}:53`, path: '' },
      },
      outcome: { endedBy: 'client', bytesIn: 9001, bytesOut: 9013 },
    });
    session.destroy();
  });

  it('works on HTTP/1.1 as an upgrade', async () => {
    const socket = await alice.connect({ servername: gatewayName });
    socket.write(
      `GET ${targetOf(names, 53)} HTTP/1.1\r\nHost: ${gatewayName}\r\nConnection: Upgrade\r\nUpgrade: connect-udp\r\n` +
        `Capsule-Protocol: ?1\r\nProxy-Authorization: Bearer ${await alice.token()}\r\n\r\n`,
    );
    const [head] = (await once(socket, 'data')) as [Buffer];
    expect(head.toString()).toMatch(/^HTTP\/1\.1 101 .*upgrade: connect-udp.*capsule-protocol: \?1/is);
    const next = datagramsOf(socket);
    socket.write(encodeDatagram(Buffer.from('b')));
    expect(await next()).toBe('dns:b');
    socket.destroy();
  });

  it('is refused to a user without a policy, with the record of a denied tunnel', async () => {
    const from = lab.recorder.records.length;
    const session = await bob.session();
    const { answer, body } = await ask(session, targetOf(names, 53), await bob.token());
    expect(answer[':status']).toBe(403);
    expect(JSON.parse(await body())).toMatchObject({ code: 'denied' });
    expect(await closedRecord(bob, from)).toMatchObject({
      facts: {
        app: { name: 'names' },
        subject: { token: { user: 'bob@example.org' } },
        decision: { effect: 'deny' },
      },
      outcome: { refusal: 'denied' },
    });
    session.destroy();
  });

  it.each([
    ['a host that no app has', targetOf('elsewhere.example.org', 53), 404, 'application-unknown'],
    ['a port that the app does not have', targetOf(names, 54), 404, 'port-unknown'],
    ['an app of another protocol', targetOf('payroll.apps.example.org', 7000), 400, 'protocol-mismatch'],
    ['an address', targetOf('127.0.0.1', 53), 404, 'application-unknown'],
    ['another template', `/masque?h=${names}&p=53`, 400, 'bad-request'],
    ['a port with a zero before it', targetOf(names, '053'), 400, 'bad-request'],
    ['a port too high', targetOf(names, 65_536), 400, 'bad-request'],
    ['something behind the template', `${targetOf(names, 53)}x`, 400, 'bad-request'],
    ['a host in percent signs', targetOf('n%61mes.apps.example.org', 53), 400, 'bad-request'],
  ])('is refused for %s', async (_what, path, status, code) => {
    const session = await alice.session();
    const { answer, body } = await ask(session, path, await alice.token());
    expect([answer[':status'], JSON.parse(await body()).code]).toEqual([status, code]);
    session.destroy();
  });

  it('is the only way to a UDP app: CONNECT to it is refused', async () => {
    const session = await alice.session();
    const stream = session.request({
      ':method': 'CONNECT',
      ':authority': `${names}:53`,
      'proxy-authorization': `Bearer ${await alice.token()}`,
    });
    stream.on('error', () => undefined);
    const [answer] = (await once(stream, 'response')) as [IncomingHttpHeaders];
    expect(answer[':status']).toBe(400);
    session.destroy();
  });

  it('is cut when the device is revoked', async () => {
    const carol = await lab.laptop('alice@example.org');
    const from = lab.recorder.records.length;
    const session = await carol.session();
    const { stream } = await ask(session, targetOf(names, 53), await carol.token());
    const next = datagramsOf(stream);
    stream.write(encodeDatagram(Buffer.from('c')));
    expect(await next()).toBe('dns:c');
    lab.commit({
      type: 'device-state-changed',
      device: carol.certificate.id,
      state: 'revoked',
      reason: 'stolen',
    });
    await once(stream, 'close');
    expect(await closedRecord(carol, from)).toMatchObject({
      outcome: { refusal: 'device-revoked', endedBy: 'gateway' },
    });
  });

  it('ends as unreachable when the upstream answers that nobody is there', async () => {
    const from = lab.recorder.records.length;
    const session = await alice.session();
    const { stream } = await ask(session, targetOf('nobody.apps.example.org', 53), await alice.token());
    stream.write(encodeDatagram(Buffer.from('anybody?')));
    await once(stream, 'close');
    expect(await closedRecord(alice, from)).toMatchObject({
      outcome: { refusal: 'upstream-unreachable', endedBy: 'upstream' },
    });
    session.destroy();
  });

  it('is broken off for what are no capsules', async () => {
    const from = lab.recorder.records.length;
    const session = await alice.session();
    const { stream } = await ask(session, targetOf(names, 53), await alice.token());
    stream.write(Buffer.from('008001000000', 'hex'));
    await once(stream, 'close');
    expect(await closedRecord(alice, from)).toMatchObject({
      outcome: { refusal: 'bad-request', endedBy: 'gateway' },
    });
    session.destroy();
  });

  it('keeps a bound on what a client does not read', async () => {
    const dave = await lab.laptop('alice@example.org');
    const session = await dave.session();
    const known = dns.peers.length;
    const { stream } = await ask(session, targetOf(names, 53), await dave.token());
    stream.write(encodeDatagram(Buffer.from('d')));
    await expect.poll(() => dns.peers.length).toBe(known + 1);
    const peer = dns.peers.at(-1) ?? '';
    // 32 MiB towards a client that reads nothing: all beyond its window and the bound is lost.
    const from = lab.recorder.records.length;
    for (let round = 0; round < 64; round += 1) {
      for (let index = 0; index < 16; index += 1) dns.tell(peer, Buffer.alloc(32_768));
      await new Promise((resolve) => setImmediate(resolve));
    }
    stream.destroy();
    const { outcome } = await closedRecord(dave, from);
    expect(outcome?.bytesOut).toBeGreaterThan(32_768);
    expect(outcome?.bytesOut).toBeLessThan(4 * 1024 * 1024);
    session.destroy();
  });
});

describe('a UDP flow in which nothing moves', () => {
  it('is over after its time', async () => {
    const quiet = await startLabGateway({
      apps: [labApp('names', [`udp://127.0.0.1:${dns.port}`], { protocol: 'udp', ports: [53] })],
      limits: { datagramIdleTimeoutMs: 100 },
    });
    const laptop = await quiet.laptop('alice@example.org');
    const session = await laptop.session();
    const { stream } = await ask(session, targetOf(names, 53), await laptop.token());
    stream.resume();
    await once(stream, 'end');
    const { outcome } = await quiet.recorder.next(({ kind }) => kind === 'tunnel-closed');
    expect(outcome).toMatchObject({ endedBy: 'gateway' });
    expect(outcome?.refusal).toBeUndefined();
    await quiet.close();
  });
});
