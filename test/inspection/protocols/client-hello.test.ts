import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ConnectionOptions } from 'node:tls';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import * as fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  createClientHelloReader,
  maxClientHelloBytes,
  parseClientHello,
} from '../../../src/inspection/protocols/client-hello.ts';
import type { ClientHelloReading } from '../../../src/inspection/protocols/client-hello.ts';

/** The first bytes that a client sends to a server that does not answer. */
async function firstBytes(start: (port: number) => () => void): Promise<Buffer> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const stop = start((server.address() as AddressInfo).port);
  const [socket] = (await once(server, 'connection')) as [Socket];
  let bytes = Buffer.alloc(0);
  while (bytes.length < 5 || bytes.length < bytes.readUInt16BE(3) + 5) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    bytes = Buffer.concat([bytes, chunk]);
  }
  stop();
  socket.destroy();
  server.close();
  return bytes;
}

const helloOf = (options: ConnectionOptions): Promise<Buffer> =>
  firstBytes((port) => {
    const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
    socket.on('error', () => undefined);
    return () => socket.destroy();
  });

const read = (...pieces: Uint8Array[]): ClientHelloReading | undefined => {
  const reader = createClientHelloReader();
  for (const piece of pieces) {
    const reading = reader.read(piece);
    if (reading !== undefined) return reading;
  }
  return undefined;
};
const eachByte = (bytes: Uint8Array): Uint8Array[] => Array.from(bytes, (byte) => Uint8Array.of(byte));
const record = (payload: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([22, 3, 1, payload.length >> 8, payload.length & 255]), payload]);
const message = (body: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([1, 0, body.length >> 8, body.length & 255]), body]);
const vector = (lengthBytes: 1 | 2, ...parts: readonly (Uint8Array | number[])[]): Buffer => {
  const content = Buffer.concat(parts.map((part) => Buffer.from(part)));
  const length = Buffer.alloc(lengthBytes);
  length.writeUIntBE(content.length, 0, lengthBytes);
  return Buffer.concat([length, content]);
};
const extension = (type: number, content: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([type >> 8, type & 255]), vector(2, content)]);
const serverName = (name: string, type = 0): Buffer =>
  Buffer.concat([Buffer.from([type]), vector(2, Buffer.from(name))]);
/** A ClientHello of which only the extensions matter. */
const withExtensions = (...extensions: Uint8Array[]): Buffer =>
  Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32, 7),
    vector(1),
    vector(2, [0x13, 0x01]),
    vector(1, [0]),
    vector(2, ...extensions),
  ]);

describe('a ClientHello', () => {
  let hello: Buffer;
  beforeAll(async () => {
    hello = await helloOf({ servername: 'Grants.apps.example.org', ALPNProtocols: ['h2', 'http/1.1'] });
  });

  it('of OpenSSL is read, name in lower case', () => {
    expect(read(hello)).toMatchObject({
      hello: {
        legacyVersion: 0x0303,
        serverName: 'grants.apps.example.org',
        applicationProtocols: ['h2', 'http/1.1'],
        supportedVersions: [0x0304, 0x0303],
        cipherSuites: expect.arrayContaining([0x1301, 0x1302]),
        supportedGroups: expect.arrayContaining([0x11ec, 0x001d]),
        signatureAlgorithms: expect.arrayContaining([0x0403]),
        extensions: expect.arrayContaining([0, 10, 13, 16, 43, 51]),
        hasEncryptedClientHello: false,
      },
    });
  });

  it('is the same in whatever pieces it comes, of the connection and of records', () => {
    const whole = read(hello);
    expect(read(...eachByte(hello))).toEqual(whole);
    const payload = hello.subarray(5);
    expect(read(...eachByte(payload).map(record))).toEqual(whole);
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 40 }),
        fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 40 }),
        (recordSizes, pieceSizes) => {
          const records = Buffer.concat([...cut(payload, recordSizes)].map(record));
          expect(read(...cut(records, pieceSizes))).toEqual(whole);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('of a client that names nobody has no name', async () => {
    const { hello: nameless } = read(await helloOf({})) ?? {};
    expect(nameless?.serverName).toBeUndefined();
    expect(nameless?.extensions).not.toContain(0);
  });

  it.skipIf(!existsSync('/usr/bin/curl'))('of curl is read', async () => {
    const bytes = await firstBytes((port) => {
      const resolve = `payroll.example.org:${port}:127.0.0.1`;
      const child = execFile(
        '/usr/bin/curl',
        ['--resolve', resolve, `https://payroll.example.org:${port}/`],
        () => undefined,
      );
      return () => child.kill();
    });
    expect(read(bytes)).toMatchObject({ hello: { serverName: 'payroll.example.org' } });
  });

  it('before TLS 1.3 may do without extensions', () => {
    const bare = withExtensions().subarray(0, -2);
    expect(parseClientHello(bare)).toMatchObject({ hello: { extensions: [] } });
    expect(parseClientHello(withExtensions())).toMatchObject({ hello: { extensions: [] } });
  });

  it('says whether another may be encrypted within', () => {
    expect(
      parseClientHello(
        withExtensions(
          extension(0, vector(2, serverName('public.example'))),
          extension(0xfe0d, Buffer.of(0)),
        ),
      ),
    ).toMatchObject({ hello: { serverName: 'public.example', hasEncryptedClientHello: true } });
  });
});

describe('what is no ClientHello, or could be read in two ways, is refused', () => {
  const name = extension(0, vector(2, serverName('a.example')));
  it.each([
    ['two extensions of one type', [name, name], 'a ClientHello with an extension twice'],
    [
      'two names',
      [extension(0, vector(2, serverName('a.example'), serverName('b.example')))],
      'a ClientHello with a malformed server name',
    ],
    [
      'a name of an unknown type',
      [extension(0, vector(2, serverName('a.example', 1)))],
      'a ClientHello with a malformed server name',
    ],
    [
      'an empty name',
      [extension(0, vector(2, serverName('')))],
      'a ClientHello with a malformed server name',
    ],
    [
      'a name with a zero in it',
      [extension(0, vector(2, serverName('a.example\0.b')))],
      'a ClientHello with a malformed server name',
    ],
    [
      'bytes behind the list of names',
      [extension(0, Buffer.concat([vector(2, serverName('a')), Buffer.of(0)]))],
      'a ClientHello with a malformed extension',
    ],
    ['half a number', [extension(10, vector(2, [0, 29, 0]))], 'a ClientHello with a malformed list'],
    ['an empty protocol', [extension(16, vector(2, [0]))], 'a ClientHello with an empty protocol name'],
    [
      'something behind a pre-shared key',
      [extension(41, Buffer.of(0)), name],
      'a ClientHello whose pre-shared key is not last',
    ],
    ['an extension beyond its end', [Buffer.of(0, 0, 0, 9)], 'a ClientHello that is cut off'],
  ])('%s', (_what, extensions, problem) => {
    expect(parseClientHello(withExtensions(...extensions))).toEqual({ problem });
    expect(read(record(message(withExtensions(...extensions))))).toEqual({ problem });
  });

  it.each([
    ['SSH', Buffer.from('SSH-2.0-OpenSSH_9.2\r\n'), 'no TLS handshake'],
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n'), 'no TLS handshake'],
    ['SSL 2', Buffer.of(0x80, 0x2e, 1, 3, 1), 'no TLS handshake'],
    ['a TLS record of data', Buffer.of(23, 3, 3, 0, 1), 'no TLS handshake'],
    ['a ServerHello', Buffer.of(22, 3, 3, 0, 4, 2), 'no ClientHello'],
    ['an empty record', Buffer.of(22, 3, 1, 0, 0), 'a TLS record of impossible length'],
    ['a record that is too long', Buffer.of(22, 3, 1, 0x40, 1), 'a TLS record of impossible length'],
    [
      'a message that is too long',
      Buffer.of(22, 3, 1, 0x40, 0, 1, 1, 0, 0),
      'a ClientHello that is too long',
    ],
    [
      'a second message',
      record(Buffer.concat([message(withExtensions()), Buffer.of(1)])),
      'something else behind the ClientHello',
    ],
    [
      'something behind its end',
      record(message(Buffer.concat([withExtensions(), Buffer.of(0)]))),
      'a ClientHello with something behind its end',
    ],
  ])('%s', (_what, bytes, problem) => {
    expect(read(bytes)).toEqual({ problem });
    expect(read(...eachByte(bytes))).toEqual({ problem });
  });

  it('whatever comes: it answers or asks for more, and never keeps more than it may', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        const reading = parseClientHello(bytes);
        expect(reading.hello === undefined).toBe(reading.problem !== undefined);
        read(bytes);
      }),
      { numRuns: 2000 },
    );
    const longest = withExtensions(extension(21, Buffer.alloc(maxClientHelloBytes - 4 - 41 - 6)));
    expect(message(longest)).toHaveLength(maxClientHelloBytes);
    const records = [...cut(message(longest), [16_384])].map(record);
    expect(read(...records)).toMatchObject({ hello: { extensions: [21] } });
  });

  it('a real one with octets changed, taken out or put in: read, refused or awaited, in every piece alike', async () => {
    const hello = await helloOf({ servername: 'grants.apps.example.org', ALPNProtocols: ['h2'] });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(hello.length - 1), fc.nat(255), fc.constantFrom('set', 'cut', 'add')), {
          minLength: 1,
          maxLength: 4,
        }),
        (changes) => {
          const bytes = [...hello];
          for (const [at, value, what] of changes)
            bytes.splice(at, what === 'add' ? 0 : 1, ...(what === 'cut' ? [] : [value]));
          const changed = Uint8Array.from(bytes);
          expect(read(...eachByte(changed))).toEqual(read(changed));
        },
      ),
      { numRuns: 1000 },
    );
  });
});

function* cut(bytes: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, index = 0; at < bytes.length; index += 1) {
    const size = sizes[index % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}
