import { connect as connectTls } from 'node:tls';
import { Duplex } from 'node:stream';
import * as fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ExpectedProtocol } from '../../../src/domain/expected-protocol.ts';
import { createRecognizer, guessProtocol } from '../../../src/inspection/protocols/recognizers.ts';
import type { Reading, Side } from '../../../src/inspection/protocols/recognizer.ts';

const host = 'grants.apps.example.org';
const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(/\s/g, ''), 'hex');
const text = (line: string): Buffer => Buffer.from(line, 'latin1');

/** [MS-RDPBCGR] 4.1.1 and 4.1.2: as the specification prints them. */
const rdpRequest = bytes(`03 00 00 2c 27 e0 00 00 00 00 00 43 6f 6f 6b 69 65 3a 20 6d 73 74 73 68 61 73 68 3d
  65 6c 74 6f 6e 73 0d 0a 01 00 08 00 00 00 00 00`);
const rdpConfirm = bytes('03 00 00 13 0e d0 00 00 12 34 00 02 00 08 00 00 00 00 00');
/** A header of [MS-SMB2] 2.2.1 and the request that follows, with the transport of 2.1. */
const smb2 = (isAnswer: boolean, command = 0): Buffer => {
  const header = Buffer.alloc(64 + 36);
  header.write('\xfeSMB', 'latin1');
  header.writeUInt16LE(64, 4);
  header.writeUInt16LE(command, 12);
  header.writeUInt32LE(Number(isAnswer), 16);
  header.writeUInt16LE(isAnswer ? 65 : 36, 64);
  return Buffer.concat([Buffer.from([0, 0, 0, header.length]), header]);
};
/** [MS-CIFS] 2.2.3.1 and 2.2.4.52.1. */
const smb1 = Buffer.concat([
  bytes(
    '00 00 00 2f ff 53 4d 42 72 00 00 00 00 18 53 c8 00 00 00 00 00 00 00 00 00 00 00 00 ff ff ff fe 00 00 00 00',
  ),
  bytes('00 0c 00 02'),
  text('NT LM 0.12\0'),
]);
const kexInit = bytes('00 00 01 0c 0a 14');
const sshClient = Buffer.concat([text('SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n'), kexInit]);
const start = (content: string, version = 0x00030000): Buffer => {
  const message = Buffer.concat([Buffer.alloc(8), text(content)]);
  message.writeUInt32BE(message.length, 0);
  message.writeUInt32BE(version, 4);
  return message;
};
const pgStart = start('user\0alice\0database\0postgres\0\0');
const sslRequest = bytes('00 00 00 08 04 d2 16 2f');
const gssRequest = bytes('00 00 00 08 04 d2 16 30');
const authenticationOk = bytes('52 00 00 00 08 00 00 00 00');
const serverHello = bytes('16 03 03 00 7a 02 00 00 76');

let hello: Buffer;
/** What Node's TLS would send. */
const helloFor = (options: object): Promise<Buffer> =>
  new Promise((resolve) => {
    const wire = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer) => {
        resolve(chunk);
        wire.destroy();
      },
    });
    connectTls({ socket: wire, ...options }).on('error', () => undefined);
  });
beforeAll(async () => {
  hello = await helloFor({ servername: host });
});

type Turn = readonly [Side, Buffer];
const client = (content: Buffer): Turn => ['client', content];
const upstream = (content: Buffer): Turn => ['upstream', content];

/** What is said of a conversation, of each side the last; its pieces come whole, or octet by octet. */
function readings(
  protocol: ExpectedProtocol,
  turns: readonly Turn[],
  size = Number.POSITIVE_INFINITY,
): Partial<Record<Side, Reading>> {
  const recognizer = createRecognizer(protocol, new Set([host]));
  const last: Partial<Record<Side, Reading>> = {};
  for (const [side, content] of turns)
    for (let at = 0; at < content.length; at += size) {
      const known = last[side];
      if (known === 'yes' || typeof known === 'object') break;
      last[side] = recognizer[side](content.subarray(at, Math.min(content.length, at + size)));
    }
  return last;
}
const both = { client: 'yes', upstream: 'yes' };

describe('a tunnel is recognized by its first bytes, in whatever pieces they come', () => {
  const conversations: readonly (readonly [string, ExpectedProtocol, () => readonly Turn[]])[] = [
    [
      'SSH, the server speaking first',
      'ssh',
      () => [upstream(text('SSH-2.0-OpenSSH_9.2\r\n')), client(sshClient), upstream(kexInit)],
    ],
    [
      'SSH, the client speaking first',
      'ssh',
      () => [client(text('SSH-2.0-Go\r\n')), upstream(sshClient), client(kexInit)],
    ],
    [
      'SSH with lines before',
      'ssh',
      () => [
        upstream(text('Welcome to\r\nSome Place\r\nSSH-1.99-x\n')),
        client(sshClient),
        upstream(kexInit),
      ],
    ],
    ['TLS', 'tls', () => [client(hello), upstream(serverHello)]],
    ['TLS that is refused', 'tls', () => [client(hello), upstream(bytes('15 03 03 00 02 02 28'))]],
    ['RDP', 'rdp', () => [client(rdpRequest), upstream(rdpConfirm)]],
    [
      'RDP of an old client and server',
      'rdp',
      () => [
        client(bytes('03 00 00 0b 06 e0 00 00 00 00 00')),
        upstream(bytes('03 00 00 0b 06 d0 00 00 12 34 00')),
      ],
    ],
    ['SMB 2', 'smb', () => [client(smb2(false)), upstream(smb2(true))]],
    ['SMB 1, answered as SMB 2', 'smb', () => [client(smb1), upstream(smb2(true))]],
    [
      'HTTP',
      'http',
      () => [client(text('GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n')), upstream(text('HTTP/1.1 200 OK\r\n'))],
    ],
    [
      'HTTP with another method',
      'http',
      () => [client(text('M-SEARCH * HTTP/1.1\r\n')), upstream(text('HTTP/1.0 404'))],
    ],
    [
      'HTTP/2, the server first',
      'http',
      () => [
        upstream(bytes('00 00 06 04 00 00 00 00 00 00')),
        client(text('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')),
      ],
    ],
    ['PostgreSQL', 'postgres', () => [client(pgStart), upstream(authenticationOk)]],
    ['PostgreSQL that is full', 'postgres', () => [upstream(bytes('45 00 00 00 40 53')), client(pgStart)]],
    [
      'PostgreSQL, encrypted',
      'postgres',
      () => [client(sslRequest), upstream(text('S')), client(hello), upstream(serverHello)],
    ],
    [
      'PostgreSQL, encryption refused',
      'postgres',
      () => [
        client(gssRequest),
        upstream(text('N')),
        client(sslRequest),
        upstream(text('N')),
        client(pgStart),
        upstream(authenticationOk),
      ],
    ],
    [
      'PostgreSQL, encrypted by GSSAPI',
      'postgres',
      () => [
        client(gssRequest),
        upstream(text('G')),
        client(bytes('00 00 02 00 60')),
        upstream(bytes('00 00 00 80 60')),
      ],
    ],
    [
      'PostgreSQL, cancelled',
      'postgres',
      () => [client(bytes('00 00 00 10 04 d2 16 2e 00 00 00 01 00 00 00 02'))],
    ],
  ];
  it.each(conversations)('%s', (_what, protocol, turns) => {
    const expected = turns().some(([side]) => side === 'upstream') ? both : { client: 'yes' };
    expect(readings(protocol, turns())).toEqual(expected);
    expect(readings(protocol, turns(), 1)).toEqual(expected);
    expect(readings(protocol, turns(), 3)).toEqual(expected);
  });

  it('PostgreSQL on TLS from the first byte has to say so', async () => {
    const direct = await helloFor({ servername: 'x', ALPNProtocols: ['postgresql'] });
    expect(readings('postgres', [client(direct), upstream(serverHello)], 1)).toEqual(both);
    expect(readings('postgres', [client(hello)]).client).toEqual({
      unexpected: 'a TLS handshake without ALPN postgresql',
    });
  });

  it('DNS by its first datagrams', () => {
    const question = bytes(
      '12 34 01 00 00 01 00 00 00 00 00 01 07 65 78 61 6d 70 6c 65 03 6f 72 67 00 00 01 00 01',
    );
    const answer = Buffer.from(question);
    answer[2] = 0x81;
    expect(readings('dns', [client(question), upstream(answer)])).toEqual(both);
    expect(readings('dns', [client(answer), upstream(question)])).toEqual({
      client: { unexpected: 'no DNS question' },
      upstream: { unexpected: 'no DNS answer' },
    });
    expect(readings('dns', [client(question.subarray(0, 20))])).toEqual({
      client: { unexpected: 'no DNS question' },
    });
  });
});

describe('what is not as it was expected is told at the first octet that cannot be', () => {
  const fitting: Readonly<Record<Exclude<ExpectedProtocol, 'dns'>, () => Buffer>> = {
    ssh: () => sshClient,
    tls: () => hello,
    rdp: () => rdpRequest,
    smb: () => smb2(false),
    http: () => text('GET / HTTP/1.1\r\n'),
    postgres: () => pgStart,
  };
  const protocols = Object.keys(fitting) as (keyof typeof fitting)[];

  it.each(protocols)('a client of any other protocol where %s is expected', (expected) => {
    for (const spoken of protocols) {
      const content = fitting[spoken]();
      for (const size of [1, 1000]) {
        const { client: reading } = readings(expected, [client(content)], size);
        expect([spoken, reading]).toEqual([
          spoken,
          spoken === expected ? 'yes' : { unexpected: expect.any(String) },
        ]);
      }
      expect(guessProtocol('client', content)).toBe(spoken);
    }
    expect(guessProtocol('client', text('EHLO x\r\n'))).toBe('unknown');
    // What may be a question of DNS as well.
    const question = bytes('00 01 01 00 00 01 00 00 00 00 00 00 01 61 00 00 01 00 01');
    expect(guessProtocol('client', question)).toBe('unknown');
  });

  it.each<[string, ExpectedProtocol, readonly Turn[], Side, string]>([
    [
      'a client that greets as servers may',
      'ssh',
      [client(text('Welcome\r\n'))],
      'client',
      'no SSH identification',
    ],
    [
      'SSH of version 1',
      'ssh',
      [client(text('SSH-1.5-x\r\n'))],
      'client',
      'an SSH identification of another version',
    ],
    [
      'an endless identification',
      'ssh',
      [client(text(`SSH-2.0-${'x'.repeat(300)}`))],
      'client',
      'an SSH identification that is too long',
    ],
    [
      'endless lines before one',
      'ssh',
      [upstream(text('line\r\n'.repeat(3000)))],
      'upstream',
      'no SSH identification',
    ],
    [
      'a shell behind an identification',
      'ssh',
      [client(text('SSH-2.0-x\r\nuname -a\n'))],
      'client',
      'no SSH key exchange',
    ],
    ['a server that is none of SSH', 'ssh', [upstream(bytes('00 01'))], 'upstream', 'no SSH identification'],
    [
      'an X.224 request that is longer than it says',
      'rdp',
      [client(bytes('03 00 00 0b 07 e0'))],
      'client',
      'no RDP connection request',
    ],
    [
      'an X.224 request with something else in it',
      'rdp',
      [client(bytes('03 00 00 0d 08 e0 00 00 00 00 00 99 99'))],
      'client',
      'a malformed RDP connection request',
    ],
    ['X.224 data', 'rdp', [client(bytes('03 00 00 0b 06 f0'))], 'client', 'no RDP connection request'],
    ['SMB that begins in the middle', 'smb', [client(smb2(false, 5))], 'client', 'no SMB negotiation'],
    ['an answer of SMB from a client', 'smb', [client(smb2(true))], 'client', 'no SMB negotiation'],
    [
      'an endless request line',
      'http',
      [client(text(`GET /${'x'.repeat(9000)}`))],
      'client',
      'an HTTP request line that is too long',
    ],
    ['HTTP/0.9', 'http', [client(text('GET /\r\n'))], 'client', 'no HTTP request'],
    [
      'a start without a user',
      'postgres',
      [client(start('database\0x\0\0'))],
      'client',
      'a malformed PostgreSQL start',
    ],
    ['PostgreSQL 2', 'postgres', [client(start('user\0x\0\0', 0x00020000))], 'client', 'no PostgreSQL start'],
    [
      'bytes slipped in behind a request for encryption',
      'postgres',
      [client(Buffer.concat([sslRequest, pgStart]))],
      'client',
      'bytes behind a request for encryption',
    ],
    [
      'the same, a moment later',
      'postgres',
      [client(sslRequest), client(pgStart)],
      'client',
      'bytes behind a request for encryption',
    ],
    [
      'bytes slipped in behind its answer',
      'postgres',
      [client(sslRequest), upstream(Buffer.concat([text('S'), serverHello]))],
      'upstream',
      'bytes behind the answer to a request for encryption',
    ],
    [
      'plain text behind encryption',
      'postgres',
      [client(sslRequest), upstream(text('S')), client(pgStart)],
      'client',
      'no TLS handshake',
    ],
    [
      'TLS that was refused',
      'postgres',
      [client(sslRequest), upstream(text('N')), client(text('GET / HTTP/1.1\r\n'))],
      'client',
      'no PostgreSQL start',
    ],
    [
      'requests without an end',
      'postgres',
      [client(gssRequest), upstream(text('N')), client(sslRequest), upstream(text('N')), client(sslRequest)],
      'client',
      'too many requests for encryption',
    ],
    [
      'a server that greets',
      'postgres',
      [upstream(text('220 mail\r\n'))],
      'upstream',
      'no PostgreSQL answer',
    ],
  ])('%s', (_what, protocol, turns, side, words) => {
    expect(readings(protocol, turns)[side]).toEqual({ unexpected: words });
  });

  it('TLS for another name, for none, and for one that is written otherwise', async () => {
    const told = async (options: object): Promise<Reading | undefined> =>
      readings('tls', [client(await helloFor(options))], 1).client;
    expect(await told({ servername: 'GRANTS.apps.example.org' })).toBe('yes');
    expect(await told({ servername: 'payroll.apps.example.org' })).toEqual({
      unexpected: 'a TLS handshake for another server name',
      about: 'payroll.apps.example.org',
    });
    expect(await told({})).toEqual({ unexpected: 'a TLS handshake without a server name' });
  });

  it('whatever comes, no side is asked for more than its bound', () => {
    for (const protocol of [...protocols, 'dns'] as const)
      fc.assert(
        fc.property(
          fc.array(fc.tuple(fc.boolean(), fc.uint8Array({ minLength: 1, maxLength: 64 })), { maxLength: 20 }),
          (pieces) => {
            readings(
              protocol,
              pieces.map(
                ([isClient, content]): Turn => [isClient ? 'client' : 'upstream', Buffer.from(content)],
              ),
            );
          },
        ),
        { numRuns: 300 },
      );
    for (const protocol of protocols) {
      const endless = Buffer.concat([fitting[protocol]().subarray(0, 3), Buffer.alloc(70_000, 'A')]);
      expect(readings(protocol, [client(endless)], 500).client).not.toBe('more');
      expect(readings(protocol, [upstream(endless)], 500).upstream).not.toBe('more');
    }
  });
});
