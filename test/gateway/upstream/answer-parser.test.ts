import { Duplex } from 'node:stream';
import { request as httpRequest } from 'node:http';
import {
  array,
  assert,
  asyncProperty,
  constantFrom,
  integer,
  property,
  record,
  string,
  uint8Array,
} from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AnswerMalformed, AnswerParser } from '../../../src/gateway/upstream/answer-parser.ts';

interface Read {
  readonly informations: number[];
  status: number | undefined;
  fields: readonly string[];
  body: string;
  trailers: readonly string[] | undefined;
  rest: boolean | undefined;
  upgraded: string | undefined;
  keepsAlive: boolean;
}

interface Setting {
  readonly method?: string;
  readonly mayUpgrade?: boolean;
  readonly maxHeadBytes?: number;
  /** Where the bytes are cut; all at once where there are none. */
  readonly cuts?: readonly number[];
  readonly thenCloses?: boolean;
}

/** Reads one answer. @throws AnswerMalformed */
function read(text: string | Buffer, setting: Setting = {}): Read {
  const seen: Read = {
    informations: [],
    status: undefined,
    fields: [],
    body: '',
    trailers: undefined,
    rest: undefined,
    upgraded: undefined,
    keepsAlive: false,
  };
  const parser = new AnswerParser(
    {
      onInformation: (status) => seen.informations.push(status),
      onHead: (status, _text, fields) => Object.assign(seen, { status, fields }),
      onData: (chunk) => (seen.body += chunk.toString('latin1')),
      onEnd: (trailers, rest) => Object.assign(seen, { trailers, rest }),
      onUpgrade: (fields, head) => Object.assign(seen, { fields, upgraded: head.toString('latin1') }),
    },
    setting.maxHeadBytes ?? 4096,
  );
  parser.expect(setting.method ?? 'GET', setting.mayUpgrade ?? false);
  const bytes = Buffer.from(text as string, 'latin1');
  const cuts = [0, ...(setting.cuts ?? []).map((cut) => cut % (bytes.length + 1)), bytes.length];
  const places = cuts.toSorted((a, b) => a - b);
  for (const [index, place] of places.entries())
    if (index > 0) parser.push(bytes.subarray(places[index - 1], place));
  if (setting.thenCloses === true) parser.finish();
  seen.keepsAlive = parser.keepsAlive;
  return seen;
}

const malformed = (text: string, setting?: Setting): void => {
  expect(() => read(text, setting)).toThrow(AnswerMalformed);
};

describe('an answer of an upstream', () => {
  it('is read with its length, and leaves the connection for the next', () => {
    expect(read('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: \t b \r\n\r\nok')).toEqual({
      informations: [],
      status: 200,
      fields: ['content-length', '2', 'x-a', 'b'],
      body: 'ok',
      trailers: [],
      rest: false,
      upgraded: undefined,
      keepsAlive: true,
    });
  });

  it('is read in chunks, with extensions and trailers', () => {
    const text =
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nX-Sum: 7\r\n\r\n';
    expect(read(text)).toMatchObject({ body: 'hello!', trailers: ['x-sum', '7'], rest: false });
    expect(read(text.replace('X-Sum: 7\r\n', ''))).toMatchObject({ body: 'hello!', trailers: [] });
  });

  it('without a length ends with the connection, and not before', () => {
    const text = 'HTTP/1.0 200 OK\r\n\r\nto the end';
    expect(read(text)).toMatchObject({ body: 'to the end', trailers: undefined, keepsAlive: false });
    expect(read(text, { thenCloses: true })).toMatchObject({ trailers: [], keepsAlive: false });
  });

  it('of a known length is not whole when the connection ends early', () => {
    const text = 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort';
    expect(read(text, { thenCloses: true }).trailers).toBeUndefined();
    expect(
      read('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel', { thenCloses: true }).trailers,
    ).toBeUndefined();
  });

  it.each([
    ['to HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n', { method: 'HEAD' }],
    ['of 204', 'HTTP/1.1 204 No Content\r\n\r\n', {}],
    ['of 304', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n', {}],
    ['of length 0', 'HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n', {}],
  ])('%s has no body', (_what, text, setting) => {
    expect(read(text, setting)).toMatchObject({ body: '', trailers: [], rest: false, keepsAlive: true });
  });

  it('comes after interim ones, of which there are not many', () => {
    const interim = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n';
    const last = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';
    expect(read(interim + interim + last)).toMatchObject({ informations: [103, 103], status: 200 });
    malformed(interim.repeat(17) + last);
  });

  it('switches protocols where that was asked for, and only there', () => {
    const text = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x02hi';
    expect(read(text, { mayUpgrade: true })).toMatchObject({ upgraded: '\x81\x02hi', status: undefined });
    malformed(text);
  });

  it('says that bytes came behind it', () => {
    expect(read('HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n').rest).toBe(true);
    expect(read('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab')).toMatchObject({ body: 'a', rest: true });
    expect(read('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nx').rest).toBe(true);
  });

  it.each(['close', 'Close', 'x, close', 'close ,x'])('ends the connection with Connection: %s', (option) => {
    expect(read(`HTTP/1.1 204 No Content\r\nConnection: ${option}\r\n\r\n`).keepsAlive).toBe(false);
    expect(read('HTTP/1.1 204 No Content\r\nConnection: closed\r\n\r\n').keepsAlive).toBe(true);
  });
});

describe('an answer that can be read two ways is refused', () => {
  const head = 'HTTP/1.1 200 OK\r\n';
  it.each([
    ['no status line', 'hello\r\n\r\n'],
    ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['another version', 'HTTP/2.0 200 OK\r\n\r\n'],
    ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
    ['a status of six hundred', 'HTTP/1.1 600 OK\r\n\r\n'],
    ['two blanks before the status', 'HTTP/1.1  200 OK\r\n\r\n'],
    ['an empty line first', `\r\n${head}Content-Length: 0\r\n\r\n`],
    ['lines that end in LF alone', 'HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n'],
    ['a bare CR in a value', `${head}X: a\rb\r\nContent-Length: 0\r\n\r\n`],
    ['a NUL in a value', `${head}X: a\0b\r\nContent-Length: 0\r\n\r\n`],
    ['a folded value', `${head}X: a\r\n b\r\nContent-Length: 0\r\n\r\n`],
    ['a blank before the colon', `${head}Content-Length : 0\r\n\r\n`],
    ['a line without a colon', `${head}nonsense\r\n\r\n`],
    ['a name with no characters', `${head}: x\r\n\r\n`],
    ['two lengths', `${head}Content-Length: 1\r\nContent-Length: 1\r\n\r\na`],
    ['a list of lengths', `${head}Content-Length: 1, 1\r\n\r\na`],
    ['a signed length', `${head}Content-Length: +1\r\n\r\na`],
    ['a length in hexadecimal', `${head}Content-Length: 0x1\r\n\r\na`],
    ['no length', `${head}Content-Length:\r\n\r\n`],
    ['a length beyond all measure', `${head}Content-Length: 9999999999999999\r\n\r\n`],
    ['length and chunks', `${head}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['another coding', `${head}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
    ['chunks twice', `${head}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['chunks in HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ])('%s', (_what, text) => malformed(text));

  const chunked = `${head}Transfer-Encoding: chunked\r\n\r\n`;
  it.each([
    ['a size with a sign', '-1\r\n'],
    ['a size with 0x', '0x5\r\nhello\r\n'],
    ['a size with a blank behind it', '5 \r\nhello\r\n'],
    ['a size that ends in LF alone', '5\nhello\r\n'],
    ['no size', '\r\n'],
    ['a size beyond all measure', `${'f'.repeat(13)}\r\n`],
    ['more than its size', '5\r\nhello!\r\n'],
    ['a LF alone behind it', '5\r\nhello\n0\r\n\r\n'],
    ['an extension without an end', `5;${'a'.repeat(300)}`],
    ['extensions without an end', '1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n'.repeat(200)],
    ['trailers without an end', `0\r\n${'x: y\r\n'.repeat(1000)}`],
    ['a trailer that is no field', '0\r\nnonsense\r\n\r\n'],
  ])('a chunk with %s', (_what, body) => malformed(chunked + body));

  it('a header section that is too long, whether or not it ends, and one with too many fields', () => {
    const filler = `X: ${'a'.repeat(100)}\r\n`;
    malformed(`${head}${filler.repeat(50)}`);
    malformed(`${head}${filler.repeat(50)}\r\n`);
    malformed(`${head}${'a:\r\n'.repeat(600)}\r\n`, { maxHeadBytes: 100_000 });
    expect(read(`${head}${filler.repeat(10)}Content-Length: 0\r\n\r\n`).status).toBe(200);
  });
});

/** What Node's own parser makes of the same bytes. */
function readWithNode(
  text: string,
): Promise<Pick<Read, 'status' | 'body' | 'fields' | 'trailers'> | undefined> {
  return new Promise((resolve) => {
    const socket = new Duplex({
      read: () => undefined,
      write(_chunk, _encoding, done) {
        done();
        socket.push(Buffer.from(text, 'latin1'));
        setImmediate(() => socket.push(null));
      },
    });
    const call = httpRequest({ createConnection: () => socket }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => (body += chunk.toString('latin1')));
      response.on('error', () => resolve(undefined));
      const lower = (raw: string[]): string[] =>
        raw.map((value, index) => (index % 2 === 0 ? value.toLowerCase() : value));
      response.on('end', () =>
        resolve({
          status: response.statusCode,
          body,
          fields: lower(response.rawHeaders),
          trailers: lower(response.rawTrailers),
        }),
      );
    });
    call.on('error', () => resolve(undefined));
    call.end();
  });
}

const oneOf = (characters: string) => constantFrom(...characters.split(''));
const name = string({ unit: oneOf('abcXYZ-_9'), minLength: 1, maxLength: 8 });
const value = string({ unit: oneOf('abc, ;="/\t\xe9'), maxLength: 12 }).map((text) => text.trim());
const answers = record({
  // Not those without a body: what comes behind them is seen when it comes.
  status: integer({ min: 200, max: 599 }).filter((status) => status !== 204 && status !== 304),
  fields: array(record({ name, value }), { maxLength: 6 }),
  chunks: array(string({ unit: oneOf('ab\r\n0;:\xff'), minLength: 1, maxLength: 20 }), {
    maxLength: 5,
  }),
  framing: constantFrom('length', 'chunks'),
  trailers: array(record({ name, value }), { maxLength: 2 }),
}).map(({ status, fields, chunks, framing, trailers }) => {
  const lines = (list: readonly { name: string; value: string }[]): string =>
    list.map((field) => `${field.name}: ${field.value}\r\n`).join('');
  const body = chunks.join('');
  return framing === 'length'
    ? `HTTP/1.1 ${status} x\r\n${lines(fields)}Content-Length: ${body.length}\r\n\r\n${body}`
    : `HTTP/1.1 ${status} x\r\n${lines(fields)}Transfer-Encoding: chunked\r\n\r\n` +
        `${chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('')}0\r\n${lines(trailers)}\r\n`;
});

describe('whatever an upstream sends', () => {
  it('is read the same wherever it is cut', () => {
    assert(
      property(answers, array(integer({ min: 0, max: 2000 }), { maxLength: 30 }), (text, cuts) => {
        expect(read(text, { cuts })).toEqual(read(text));
      }),
    );
  });

  it('is read as Node reads it', async () => {
    await assert(
      asyncProperty(answers, async (text) => {
        const { status, body, fields, trailers } = read(text);
        expect(await readWithNode(text)).toEqual({ status, body, fields, trailers });
      }),
      { numRuns: 300 },
    );
  });

  it('ends in an answer or a refusal, and in nothing else', () => {
    const mangled = record({
      text: answers,
      at: integer({ min: 0, max: 300 }),
      bytes: uint8Array({ maxLength: 4 }),
    });
    assert(
      property(mangled, ({ text, at, bytes }) => {
        const clean = Buffer.from(text, 'latin1');
        const place = at % (clean.length + 1);
        const dirty = Buffer.concat([clean.subarray(0, place), bytes, clean.subarray(place + 1)]);
        try {
          read(dirty.toString('latin1'), { thenCloses: true });
        } catch (error) {
          expect(error).toBeInstanceOf(AnswerMalformed);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
