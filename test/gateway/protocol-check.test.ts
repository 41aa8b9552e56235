import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import type { Server as TlsServer } from 'node:tls';
import type { AddressInfo, Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Finding } from '../../src/domain/finding.ts';
import type { ProtocolCheckSettings } from '../../src/domain/resources.ts';
import { startTcpService } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { labApp, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway, LabLaptop, Recorded } from '../lab/gateway.ts';
import { http2Request, http2Tunnel } from '../lab/http2-client.ts';
import { makeOrganization } from '../lab/pki.ts';

/** Long enough for a loaded machine, short enough to wait for. */
const handshakeTimeoutMs = 1500;
const identification = 'SSH-2.0-lab\r\n';
const kexInit = Buffer.from('0000010c0a14', 'hex');
const sshBytes = Buffer.concat([Buffer.from(identification), kexInit, Buffer.alloc(100, 1)]);

let lab: LabGateway;
let alice: LabLaptop;
let ssh: LabServer;
let liar: LabServer;
let quiet: LabServer;
let full: LabServer;
let secure: TlsServer;
/** What reached the services. */
const reached = { ssh: '', quiet: '' };
const findings: Finding[] = [];

beforeAll(async () => {
  const collect = (name: keyof typeof reached, socket: Socket): void =>
    void socket.on('data', (chunk: Buffer) => (reached[name] += chunk.toString('latin1')));
  [ssh, liar, quiet, full] = await Promise.all([
    startTcpService((socket) => {
      socket.write(identification);
      collect('ssh', socket);
      socket.once('data', () => socket.write(kexInit));
      socket.on('end', () => socket.end('bye'));
    }),
    startTcpService((socket) => void socket.write('J\0\0\0\n8.0.36\0')),
    startTcpService((socket) => {
      collect('quiet', socket);
      socket.on('end', () => socket.end());
    }),
    startTcpService((socket) => void socket.end('Not allowed at this time\r\n')),
  ]);
  const { certificatePem, keyPem } = await makeOrganization()
    .then((one) => one.issueGateway())
    .then(({ chainPem, keyPem: key }) => ({ certificatePem: chainPem, keyPem: key }));
  secure = createTlsServer({ cert: certificatePem, key: keyPem }, (socket) => void socket.pipe(socket));
  secure.on('tlsClientError', () => undefined);
  secure.listen(0, '127.0.0.1');
  await once(secure, 'listening');
  const secureUrl = `tcp://127.0.0.1:${(secure.address() as AddressInfo).port}`;
  const tcp = (
    name: string,
    url: string,
    protocol: 'tcp' | 'ssh' | 'tls',
    protocolCheck?: ProtocolCheckSettings,
  ) =>
    labApp(name, [url], {
      protocol,
      ports: [7000],
      ...(protocolCheck === undefined ? {} : { protocolCheck }),
    });
  lab = await startLabGateway({
    apps: [
      tcp('code', ssh.url, 'ssh'),
      tcp('code-recorded', ssh.url, 'ssh', { mode: 'record' }),
      tcp('liar', liar.url, 'ssh'),
      tcp('full', full.url, 'ssh'),
      tcp('vault', secureUrl, 'tls'),
      tcp('vault-recorded', secureUrl, 'tls', { mode: 'record' }),
      tcp('vault-elsewhere', secureUrl, 'tls', { serverNames: ['vault.internal.example.org'] }),
      tcp('files', quiet.url, 'tcp', { expect: 'smb' }),
      tcp('anything', quiet.url, 'tcp'),
    ],
    limits: { handshakeTimeoutMs },
    onFinding: (finding) => void findings.push(finding),
  });
  alice = await lab.laptop('alice@example.org');
});
afterAll(async () => {
  expect(lab.errors).toEqual([]);
  await lab.close();
  for (const service of [ssh, liar, quiet, full]) service.close();
  secure.close();
});

interface Opened {
  readonly tunnel: Duplex;
  /** What came out of it. */
  heard: string;
  /** Its last record. */
  closed(): Promise<Recorded>;
}
async function open(name: string): Promise<Opened> {
  const from = lab.recorder.records.length;
  const session = await alice.session();
  const tunnel = await http2Tunnel(session, `${name}.apps.example.org:7000`, await alice.token());
  const opened: Opened = {
    tunnel,
    heard: '',
    closed: () =>
      lab.recorder.next(({ kind, facts }) => kind === 'tunnel-closed' && facts.app?.name === name, from),
  };
  tunnel.on('data', (chunk: Buffer) => (opened.heard += chunk.toString('latin1')));
  return opened;
}
/** It is reset, which `once` of events would take for a failure. */
const over = ({ tunnel }: Opened): Promise<unknown> =>
  new Promise((resolve) => (tunnel.closed ? resolve(undefined) : tunnel.once('close', resolve)));
const heard = (opened: Opened, marker: string): Promise<void> =>
  expect.poll(() => opened.heard, { timeout: 20_000 }).toContain(marker);
const protocolOf = ({ facts }: Recorded) => facts.inspections?.protocol;

async function secureTunnel(name: string, servername: string): Promise<{ echoed: string; record: Recorded }> {
  const opened = await open(name);
  const inner = connectTls({ socket: opened.tunnel, servername, rejectUnauthorized: false });
  inner.on('error', () => undefined);
  const ended = new Promise((resolve) => inner.once('close', resolve));
  inner.once('secureConnect', () => inner.write('echo'));
  let echoed = '';
  inner.on('data', (chunk: Buffer) => {
    echoed += chunk.toString();
    inner.destroy();
  });
  await ended;
  opened.tunnel.destroy();
  return { echoed, record: await opened.closed() };
}

describe('a tunnel that is what its application speaks', () => {
  it('passes, the server speaking first, octet by octet, and says so when it ends', async () => {
    const opened = await open('code');
    await heard(opened, identification);
    for (const octet of sshBytes) {
      opened.tunnel.write(Buffer.of(octet));
      await nextTurn();
    }
    await heard(opened, kexInit.toString('latin1'));
    opened.tunnel.end();
    await heard(opened, 'bye');
    const record = await opened.closed();
    expect(protocolOf(record)).toEqual({ state: 'done', found: ['ssh'] });
    expect(record.outcome).toMatchObject({ bytesIn: sshBytes.length, endedBy: 'client' });
    expect(record.outcome?.refusal).toBeUndefined();
    expect(reached.ssh).toContain(sshBytes.toString('latin1'));
  });

  it('of TLS for the application’s name, and for a listed one', async () => {
    for (const [name, servername] of [
      ['vault', 'Vault.apps.example.org'],
      ['vault-elsewhere', 'vault.internal.example.org'],
    ] as const) {
      const { echoed, record } = await secureTunnel(name, servername);
      expect([echoed, protocolOf(record)]).toEqual(['echo', { state: 'done', found: ['tls'] }]);
    }
  });

  it('that ends before any byte is no alarm, and is said not to have been told', async () => {
    const opened = await open('files');
    opened.tunnel.end();
    const record = await opened.closed();
    expect(record.outcome).toMatchObject({ bytesIn: 0, endedBy: 'client' });
    expect([record.outcome?.refusal, protocolOf(record)]).toEqual([undefined, undefined]);
  });

  it('whose server gives up before it has said what it is, passes what it says', async () => {
    const opened = await open('full');
    await heard(opened, 'Not allowed at this time\r\n');
    opened.tunnel.end();
    const record = await opened.closed();
    expect([record.outcome?.refusal, record.outcome?.endedBy]).toEqual([undefined, 'upstream']);
  });

  it('of an application that says nothing of it, is not looked at', async () => {
    const opened = await open('anything');
    opened.tunnel.end('whatever');
    expect(protocolOf(await opened.closed())).toBeUndefined();
    expect(reached.quiet).toContain('whatever');
  });
});

describe('a tunnel that is something else', () => {
  it('is told to the laptop that asks why on the same session, until one was what it should be', async () => {
    const session = await alice.session();
    const token = await alice.token();
    const cutOf = async (app: string): Promise<unknown> => {
      const answer = await http2Request(session, {
        ':path': `/.well-known/postern/probe/${app}`,
        ':authority': 'gateway.example.org',
        ':scheme': 'https',
        'proxy-authorization': `Bearer ${token}`,
      });
      return (JSON.parse(answer.body) as { cut?: unknown }).cut;
    };
    const send = async (bytes: string | Buffer): Promise<void> => {
      const from = lab.recorder.records.length;
      const tunnel = await http2Tunnel(session, 'code.apps.example.org:7000', token);
      tunnel.resume().end(bytes);
      await lab.recorder.next(
        ({ kind, facts }) => kind === 'tunnel-closed' && facts.app?.name === 'code',
        from,
      );
    };
    expect(await cutOf('code')).toBeUndefined();
    await send('GET / HTTP/1.1\r\n\r\n');
    const { facts } = lab.recorder.records.at(-1) ?? {};
    expect(await cutOf('code')).toEqual({ flow: facts?.id, secondsAgo: expect.any(Number) as number });
    expect(await cutOf('vault')).toBeUndefined();
    await send(sshBytes);
    expect(await cutOf('code')).toBeUndefined();
    session.destroy();
  });

  it('is cut before the application gets any of it, and on record with side and cause', async () => {
    const from = findings.length;
    const before = reached.quiet;
    const opened = await open('files');
    opened.tunnel.end(sshBytes);
    await over(opened);
    const record = await opened.closed();
    expect(record.outcome).toMatchObject({
      refusal: 'protocol-unexpected',
      detail: 'client: no SMB negotiation; expected smb, looks like ssh',
      endedBy: 'gateway',
      bytesIn: 0,
    });
    expect(protocolOf(record)).toEqual({
      state: 'done',
      found: ['ssh', 'unexpected'],
      messages: ['from the client: no SMB negotiation'],
    });
    expect(reached.quiet).toBe(before);
    expect(findings.slice(from)).toMatchObject([
      {
        rule: 'tunnel-other-protocol',
        severity: 'medium',
        user: 'alice@example.org',
        device: alice.certificate.id,
        app: 'files',
        flows: [record.facts.id],
        counts: { tunnels: 1, byClient: 1 },
      },
    ]);
  });

  it.each([
    [
      'for another name',
      'payroll.apps.example.org',
      'client: a TLS handshake for another server name (payroll.apps.example.org); expected tls, looks like tls',
    ],
    ['for no name', '', 'client: a TLS handshake without a server name; expected tls, looks like tls'],
  ])('of TLS %s is cut', async (_what, servername, detail) => {
    const { echoed, record } = await secureTunnel('vault', servername);
    expect([echoed, record.outcome?.refusal, record.outcome?.detail]).toEqual([
      '',
      'protocol-unexpected',
      detail,
    ]);
  });

  it('by the upstream is cut before the client gets any of it', async () => {
    const opened = await open('liar');
    await over(opened);
    const record = await opened.closed();
    expect(opened.heard).toBe('');
    expect(record.outcome).toMatchObject({
      refusal: 'protocol-unexpected',
      detail: 'upstream: no SSH identification; expected ssh, looks like unknown',
      bytesOut: 0,
    });
  });

  it('that comes too slowly to be told is cut, and so is one that ends in the middle', async () => {
    const slow = await open('files');
    slow.tunnel.write(Buffer.from([0, 0, 0, 0x50]));
    await over(slow);
    expect((await slow.closed()).outcome?.detail).toContain('client: bytes that come too slowly to be told');
    const short = await open('files');
    short.tunnel.end(Buffer.from([0, 0, 0, 0x50]));
    await over(short);
    expect((await short.closed()).outcome?.detail).toContain('client: an end before it can be told');
  });

  it('goes on where the application only records, and is a graver finding', async () => {
    const from = findings.length;
    const opened = await open('code-recorded');
    await heard(opened, identification);
    opened.tunnel.write('GET / HTTP/1.1\r\n\r\n');
    await heard(opened, kexInit.toString('latin1'));
    opened.tunnel.end();
    await heard(opened, 'bye');
    const record = await opened.closed();
    expect(record.outcome?.refusal).toBeUndefined();
    expect(protocolOf(record)).toEqual({
      state: 'done',
      found: ['http', 'unexpected'],
      messages: ['from the client: no SSH identification'],
    });
    expect(findings.slice(from)).toMatchObject([
      { severity: 'high', app: 'code-recorded', flows: [record.facts.id] },
    ]);
    expect(reached.ssh).toContain('GET / HTTP/1.1');
    const { echoed } = await secureTunnel('vault-recorded', 'elsewhere.example.org');
    expect(echoed).toBe('echo');
  });
});
