import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ClientHello } from '../../../src/inspection/protocols/client-hello.ts';
import { ja4Of } from '../../../src/inspection/protocols/ja4.ts';

const list = (text: string): number[] => text.split(',').map((value) => Number.parseInt(value, 16));

/** The browser by which the specification explains it; a server name and h2 are among its extensions, and GREASE everywhere. */
const browser: ClientHello = {
  legacyVersion: 0x0303,
  cipherSuites: list('2a2a,1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035'),
  extensions: list('6a6a,001b,0000,0033,0010,4469,0017,002d,000d,0005,0023,0012,002b,ff01,000b,000a,0015'),
  serverName: 'example.org',
  applicationProtocols: ['h2', 'http/1.1'],
  supportedVersions: list('baba,0304,0303'),
  supportedGroups: [],
  signatureAlgorithms: list('0403,0804,0401,0503,0805,0501,0806,0601'),
  hasEncryptedClientHello: false,
};

test('is what the specification says of its example', () => {
  expect(ja4Of(browser)).toEqual({
    value: 't13d1516h2_8daaf6152771_e5627efa2ab1',
    a: 't13d1516h2',
    b: '8daaf6152771',
    c: 'e5627efa2ab1',
  });
});

test('is what others found for a later browser', () => {
  const extensions = list('0000,0010,0005,000a,000b,000d,0012,0017,001b,0023,002b,002d,0033,44cd,fe0d,ff01');
  expect(ja4Of({ ...browser, extensions }).value).toBe('t13d1516h2_8daaf6152771_d8a2da3f94cd');
});

test.each([
  ['without a name and a protocol', { extensions: [43, 13], applicationProtocols: [] }, /^t13i150200_/],
  ['by its own version', { supportedVersions: [], legacyVersion: 0x0301 }, /^t10d/],
  ['by the best version that it takes', { supportedVersions: [0x0302, 0x0303, 0x7a7a] }, /^t12d/],
  ['of a version that nobody knows', { supportedVersions: [0x0399] }, /^t00d/],
  ['of one protocol character', { applicationProtocols: ['h'] }, /^t13d1516hh_/],
  ['of a protocol that is not in letters', { applicationProtocols: ['\u00ab'] }, /^t13d1516ab_/],
  ['of a protocol that begins in letters', { applicationProtocols: ['0\u00ab'] }, /^t13d15163b_/],
  ['without cipher suites', { cipherSuites: [] }, /^t13d0016h2_000000000000_/],
  ['without extensions', { extensions: [] }, /^t13i1500h2_8daaf6152771_000000000000$/],
  [
    'of more than two digits can count',
    { cipherSuites: Array.from({ length: 200 }, (_, n) => n) },
    /^t13d9916h2_/,
  ],
] as const)('of a hello %s', (_, change, expected) => {
  expect(ja4Of({ ...browser, ...change }).value).toMatch(expected);
});

test('is the same in whatever order ciphers and extensions come, and with whatever GREASE', () => {
  const grease = fc.constantFrom(0x0a0a, 0x5a5a, 0xfafa);
  const shuffled = (values: readonly number[]) =>
    fc
      .tuple(fc.shuffledSubarray([...values], { minLength: values.length }), fc.array(grease))
      .map(([all, noise]) => [...noise, ...all]);
  fc.assert(
    fc.property(shuffled(browser.cipherSuites), shuffled(browser.extensions), (cipherSuites, extensions) => {
      expect(ja4Of({ ...browser, cipherSuites, extensions })).toEqual(ja4Of(browser));
    }),
  );
  const other = { ...browser, signatureAlgorithms: browser.signatureAlgorithms.toReversed() };
  expect(ja4Of(other).c).not.toBe(ja4Of(browser).c);
});

test('of anything that is a hello, is of its form', () => {
  const number = fc.nat(0xffff);
  fc.assert(
    fc.property(
      fc.array(number),
      fc.array(number),
      fc.array(number),
      fc.array(number),
      fc.array(
        fc.string({ unit: 'binary', minLength: 1 }).map((text) => Buffer.from(text).toString('latin1')),
      ),
      (cipherSuites, extensions, signatureAlgorithms, supportedVersions, applicationProtocols) => {
        const hello = { ...browser, cipherSuites, extensions, signatureAlgorithms };
        expect(ja4Of({ ...hello, supportedVersions, applicationProtocols }).value).toMatch(
          /^t(13|12|11|10|s3|00)[di]\d{4}[0-9A-Za-z]{2}_[0-9a-f]{12}_[0-9a-f]{12}$/,
        );
      },
    ),
  );
});
