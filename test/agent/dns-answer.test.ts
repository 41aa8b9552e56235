import { decode, encode } from 'dns-packet';
import type { Packet } from 'dns-packet';
import { assert, property, uint8Array } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createAddressBook, isInterceptAddress } from '../../agent/intercept/address-book.ts';
import { answerDns } from '../../agent/intercept/dns-answer.ts';
import type { NameFacts } from '../../agent/intercept/dns-answer.ts';

const names: Readonly<Record<string, NameFacts>> = {
  'grants.apps.example.org': { address: '127.70.1.2' },
  'taken.apps.example.org': 'unavailable',
};
const find = (name: string): NameFacts => (Object.hasOwn(names, name) ? names[name] : undefined);

const opt = (more: object = {}) => ({
  type: 'OPT',
  name: '.',
  udpPayloadSize: 4096,
  ednsVersion: 0,
  extendedRcode: 0,
  flags: 0,
  options: [],
  ...more,
});
const query = (name: string, type = 'A', more: object = {}): Buffer =>
  encode({
    type: 'query',
    id: 7,
    flags: 0x0100,
    questions: [{ type, name, class: 'IN' }],
    ...more,
  } as unknown as Packet);

interface Seen {
  readonly rcode: string;
  readonly flag_aa: boolean;
  readonly answers: { readonly type: string; readonly data: string }[];
  readonly additionals: { readonly type: string; readonly extendedRcode: number }[];
}
const ask = (message: Buffer): Seen | undefined => {
  const answer = answerDns(message, find);
  if (answer === undefined) return undefined;
  expect([answer.readUInt16BE(0), (answer[2] ?? 0) & 0x80]).toEqual([message.readUInt16BE(0), 0x80]);
  return decode(answer) as unknown as Seen;
};

describe('the answer to a DNS message', () => {
  it('is the address of an application, whatever the case of its name, which comes back as it was written', () => {
    const answer = ask(query('GraNts.apps.EXAMPLE.org'));
    expect(answer).toMatchObject({
      rcode: 'NOERROR',
      flag_aa: true,
      flag_ra: false,
      flag_rd: true,
      questions: [{ name: 'GraNts.apps.EXAMPLE.org', type: 'A' }],
      answers: [{ name: 'GraNts.apps.EXAMPLE.org', type: 'A', ttl: 30, data: '127.70.1.2' }],
    });
  });

  it.each(['AAAA', 'UNKNOWN_65', 'UNKNOWN_64', 'MX', 'TXT', 'SRV', 'NS'])(
    'has no %s, and says that the name is there',
    (type) => {
      expect(ask(query('grants.apps.example.org', type))).toMatchObject({ rcode: 'NOERROR', answers: [] });
    },
  );

  it.each([
    ['another name', query('example.com')],
    ['a name below an application', query('x.grants.apps.example.org')],
    ['a name above it', query('apps.example.org')],
    ['the root', query('.', 'NS')],
    ['what every object has', query('constructor')],
    ['a transfer of a zone', query('grants.apps.example.org', 'AXFR')],
    [
      'another class',
      query('x', 'A', { questions: [{ type: 'A', name: 'grants.apps.example.org', class: 'CH' }] }),
    ],
  ])('refuses %s', (_, message) => {
    expect(ask(message)).toMatchObject({ rcode: 'REFUSED', flag_aa: false, answers: [] });
  });

  it('is a failure where the application cannot be reached at its address', () => {
    expect(ask(query('taken.apps.example.org'))).toMatchObject({ rcode: 'SERVFAIL', answers: [] });
  });

  it('speaks EDNS with who speaks it, in version 0', () => {
    const name = 'grants.apps.example.org';
    expect(ask(query(name))?.additionals).toEqual([]);
    expect(ask(query(name, 'A', { additionals: [opt()] }))).toMatchObject({
      rcode: 'NOERROR',
      answers: [{ data: '127.70.1.2' }],
      additionals: [{ type: 'OPT', udpPayloadSize: 1232, extendedRcode: 0 }],
    });
    expect(ask(query(name, 'A', { additionals: [opt({ ednsVersion: 1 })] }))).toMatchObject({
      answers: [],
      additionals: [{ type: 'OPT', extendedRcode: 1 }],
    });
  });

  const good = query('grants.apps.example.org');
  const withCount = (at: number, count: number): Buffer => {
    const message = Buffer.from(good);
    message.writeUInt16BE(count, at);
    return message;
  };
  /** One question of these labels. */
  const labelled = (...labels: (string | number[])[]): Buffer =>
    Buffer.concat([
      good.subarray(0, 12),
      ...labels.map((label) =>
        typeof label === 'string'
          ? Buffer.from([label.length, ...Buffer.from(label, 'latin1')])
          : Buffer.from(label),
      ),
      Buffer.from([0, 0, 1, 0, 1]),
    ]);

  it.each([
    ['no question', withCount(4, 0)],
    ['two questions', withCount(4, 2)],
    ['65,535 questions', withCount(4, 65_535)],
    ['an answer in it', withCount(6, 1)],
    ['an authority in it', withCount(8, 1)],
    ['three further records', withCount(10, 3)],
    ['a question that is cut off', good.subarray(0, 20)],
    ['a label with a dot in it', labelled('grants.apps', 'example', 'org')],
    ['a label that is no ASCII', labelled('gr\u00e4nts')],
    ['a pointer to itself', labelled([0xc0, 12])],
    ['a label of 64 bytes', labelled([64, ...Buffer.alloc(64, 'a')])],
    ['a name of 256 bytes', labelled(...Array.from({ length: 16 }, () => 'a'.repeat(15)))],
    ['more than anyone needs to ask', Buffer.concat([good, Buffer.alloc(5000)])],
    [
      'a signature',
      query('grants.apps.example.org', 'A', {
        additionals: [{ type: 'TSIG', name: 'k', data: Buffer.alloc(20) }],
      }),
    ],
  ])('is a format error for %s', (_, message) => {
    expect(ask(message)).toMatchObject({ rcode: 'FORMERR', answers: [] });
  });

  it('is not there for responses, so that no two servers can be set talking, nor for what has no header', () => {
    const response = Buffer.from(good);
    response[2] = 0x81;
    for (const message of [response, good.subarray(0, 11), Buffer.alloc(0)]) {
      expect(answerDns(message, find)).toBeUndefined();
    }
  });

  it('does not do updates and notifications', () => {
    for (const opcode of [1, 2, 4, 5, 15]) {
      const message = Buffer.from(good);
      message[2] = opcode << 3;
      expect(ask(message)?.rcode).toBe('NOTIMP');
    }
  });

  it('never throws, never holds more than it was asked, and never asks back, whatever the bytes', () => {
    assert(
      property(uint8Array({ maxLength: 200 }), uint8Array({ minLength: 12, maxLength: 12 }), (rest, head) => {
        for (const message of [
          Buffer.from(rest),
          Buffer.concat([head, rest]),
          Buffer.concat([good.subarray(0, 12), rest]),
          Buffer.concat([good.subarray(0, 11), Buffer.from([1]), good.subarray(12), rest]),
        ]) {
          const answer = answerDns(message, find);
          if (answer === undefined) continue;
          expect((answer[2] ?? 0) & 0x80).toBe(0x80);
          expect(answer.length).toBeLessThan(message.length + 300);
        }
      }),
    );
  });
});

describe('the addresses of applications', () => {
  const hosts = Array.from({ length: 500 }, (_, index) => `app-${index}.apps.example.org`);

  it('are one each, out of 127.64.0.0/10, and the same from every book', () => {
    const first = createAddressBook({}, () => undefined).assign(hosts);
    const again = createAddressBook({}, () => undefined).assign(hosts);
    expect(new Set(first.values()).size).toBe(hosts.length);
    expect([...first.values()].every(isInterceptAddress)).toBe(true);
    expect([...first.values()].some((address) => /^127\.64\.0\.|\.(0|255)$/.test(address))).toBe(false);
    expect(again).toEqual(first);
  });

  it('stay with their host while others come and go, in this book and the next', () => {
    let kept: Readonly<Record<string, string>> = {};
    const book = createAddressBook({}, (written) => (kept = written));
    const address = book.assign(['a.example.org']).get('a.example.org') ?? '';
    book.assign(['b.example.org']);
    // Another application's host whose hash says the same place: it has to go elsewhere.
    const next = createAddressBook(
      { 'old.example.org': address, ...kept, 'a.example.org': '127.100.1.1' },
      () => undefined,
    );
    expect([next.hostAt(address), next.assign(['a.example.org']).get('a.example.org')]).toEqual([
      'old.example.org',
      '127.100.1.1',
    ]);
    const rival = createAddressBook({ 'old.example.org': address }, () => undefined).assign([
      'a.example.org',
    ]);
    expect(rival.get('a.example.org')).not.toBe(address);
    expect(book.assign(['a.example.org', 'c.example.org']).get('a.example.org')).toBe(address);
    expect(book.hostAt('127.64.0.1')).toBeUndefined();
  });

  it('are forgotten beyond 4,096, the oldest that is not in use first', () => {
    const many = Array.from({ length: 4097 }, (_, index) => `h${index}.example.org`);
    let kept: Readonly<Record<string, string>> = {};
    const book = createAddressBook({}, (written) => (kept = written));
    book.assign(many.slice(0, 4096));
    book.assign(['h0.example.org', 'h4096.example.org']);
    expect([Object.keys(kept).length, 'h0.example.org' in kept, 'h1.example.org' in kept]).toEqual([
      4096,
      true,
      false,
    ]);
  });

  it.each([
    ['127.64.0.0', true],
    ['127.127.255.255', true],
    ['127.63.255.255', false],
    ['127.128.0.0', false],
    ['127.64.0.256', false],
    ['127.064.0.1', false],
    ['10.64.0.1', false],
  ])('%s is one of the range: %s', (address, expected) => {
    expect(isInterceptAddress(address)).toBe(expected);
  });
});
