import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createBodyScanner } from '../../../src/inspection/data-loss/body-scanner.ts';
import { buildDetectors } from '../../../src/inspection/data-loss/detectors.ts';
import { findPatternProblem } from '../../../src/domain/pattern-problem.ts';

const kinds = ['iban', 'card', 'nir', 'email'];
const dossier = { name: 'dossier', pattern: '(?i)dossier-[0-9]{6}', maxLength: 32 };
const detectors = buildDetectors({ kinds, patterns: [dossier] });

/** What is found in a body that comes in pieces of this size. */
function scan(body: string | Uint8Array, type = 'text/plain', size = Number.POSITIVE_INFINITY) {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  const scanner = createBodyScanner(type, detectors);
  for (let at = 0; at < bytes.length; at += size)
    scanner.write(bytes.subarray(at, Math.min(bytes.length, at + size)));
  scanner.end();
  return scanner.counts;
}

describe('finds', () => {
  it.each([
    // From the registry of ISO 13616.
    ['a French IBAN', 'FR1420041010050500013M02606', { iban: 1 }],
    ['one in groups', 'IBAN : FR14 2004 1010 0505 0001 3M02 606.', { iban: 1 }],
    [
      'one with blanks that do not break',
      'FR14\u00a02004\u00a01010\u00a00505\u00a00001\u00a03M02\u00a0606 et',
      { iban: 1 },
    ],
    ['one with words behind it', 'DE89 3704 0044 0532 0130 00 bitte', { iban: 1 }],
    ['one in small letters', 'gb29nwbk60161331926819', { iban: 1 }],
    ['the longest and the shortest', 'MT84MALT011000012345MTLCAST001S;NO9386011117947', { iban: 2 }],
    [
      'cards of several issuers',
      '4111111111111111 5555555555554444,378282246310005;6011111111111117|3530111333300000 2223003122003222',
      { card: 6 },
    ],
    ['a card in groups', '4111-1111-1111-1111 and 3782 822463 10005', { card: 2 }],
    [
      'one whose blanks do not break',
      '4111\u00a01111\u00a01111\u00a01111, 3782\u202f822463\u202f10005',
      { card: 2 },
    ],
    ['cards side by side', '4111 1111 1111 1111 5555 5555 5555 4444', { card: 2 }],
    ['a social security number', '2 69 05 49 588 157 80', { nir: 1 }],
    ['one without blanks', '269054958815780', { nir: 1 }],
    ['one whose blanks do not break', '2\u00a069\u00a005\u00a049\u00a0588\u00a0157\u00a080', { nir: 1 }],
    ['those of Corsica', '1 84 12 2A 004 025 24 / 1 84 12 2B 004 025 51', { nir: 2 }],
    [
      'addresses',
      "Alice <alice.martin@example.org>, bob+news@mail.example.co.uk; o'neil@example.fr",
      { email: 3 },
    ],
    ['a pattern of one’s own', 'see DOSSIER-123456, dossier-123457', { dossier: 2 }],
    [
      'the same value once',
      'a@example.org A@example.org 4111111111111111 4111 1111 1111 1111',
      { email: 1, card: 1 },
    ],
  ])('%s', (_what, text, counts) => {
    expect(scan(text)).toEqual(counts);
    for (const size of [1, 2, 7, 64]) expect([size, scan(text, 'text/plain', size)]).toEqual([size, counts]);
  });
});

describe('does not take for one', () => {
  it.each([
    ['an IBAN with a wrong digit', 'FR1420041010050500013M02607'],
    ['one that is too short or too long', 'FR1420041010050500013M0260 DE893704004405320130001'],
    ['one of a country that has none', 'ZZ1420041010050500013M02606'],
    ['one within a longer word', 'xFR1420041010050500013M02606'],
    ['a card with a wrong last digit', '4111111111111112'],
    ['a card that nobody issues', '9999999999999995 1234567812345670'],
    ['a card of a wrong length', '411111111111116 37828224631000 '],
    ['a card in other groups', '411 1111111111 111 41 11 11 11 11 11 11 11'],
    [
      'a card in a longer number',
      '14111111111111111 41111111111111110 0.4111111111111111 4111111111111111.5',
    ],
    ['a card in an identifier', 'a4111111111111111 4111111111111111f _4111111111111111'],
    ['a number of zeros', '4000000000000000 0000000000000000'],
    ['a social security number with a wrong key', '2 69 05 49 588 157 81'],
    ['one of month 13, of no department, of order 0', '269134958815714 269050058815745 269054958800043'],
    ['an establishment (SIRET)', '38012986646850 380 129 866 46850'],
    ['an article (EAN)', '4006381333931 5901234123457'],
    ['a time in nanoseconds', '1700000000000000000'],
    [
      'what is no address',
      'a@b @example.org alice@ a@-b.org user@localhost x@1.2.3.4 @media (max-width: 3px)',
    ],
  ])('%s', (_what, text) => {
    expect(scan(text)).toEqual({});
    expect(scan(text, 'text/plain', 1)).toEqual({});
  });
});

const card = '4111111111111111';
const form = 'application/x-www-form-urlencoded';
const multipart = 'multipart/form-data; boundary="b b"';
const parts = (...all: string[]): string =>
  `${all.map((part) => `--b b\r\n${part}\r\n`).join('')}--b b--\r\n`;

describe('reads', () => {
  it.each<[string, string, string | Uint8Array]>([
    ['text without a type', '', card],
    ['a table that browsers call so', 'application/vnd.ms-excel', `a;${card};é\n`],
    ['the same in UTF-16', 'application/octet-stream', Buffer.from(`\ufeff${card}`, 'utf16le')],
    ['a table as Excel exports it', 'application/vnd.ms-excel', Buffer.from(`Pr\xe9nom;${card}`, 'latin1')],
    ['one in Greek', '', `${'α'.repeat(900)} ${card}`],
    ['a long one', 'application/octet-stream', `${'é'.repeat(700)} ${card}`],
    ['UTF-16 by its mark', 'text/csv', Buffer.from(`\ufeff${card};x`, 'utf16le')],
    ['UTF-16 that nothing is said of', 'text/plain', Buffer.from(`n° ${card}`, 'utf16le')],
    ['the same the other way round', 'application/json', Buffer.from(`"${card}"`, 'utf16le').swap16()],
    ['UTF-16 that is said', 'text/csv; charset=utf-16le', Buffer.from(card, 'utf16le')],
    ['Latin-1', 'text/plain; charset=ISO-8859-1', Buffer.from(`\xe9 ${card} \xe9`, 'latin1')],
    ['JSON with a number', 'application/json', `{"a":${card}}`],
    ['JSON with line ends', 'application/json', JSON.stringify({ a: `x\n${card}\n` })],
    [
      'JSON with escapes',
      'application/problem+json; charset=utf-8',
      `{"a":"\\u00341111111\\u003111111\\u0031\\u0031"}`,
    ],
    ['a form', form, 'a=x&card=4111+1111+1111+1111&b=y'],
    ['a form with escapes', form, 'a=%34111%201111%201111%201111%0A'],
    ['XML', 'application/soap+xml', `<a>${card}</a>`],
    ['a field in parts', multipart, parts(`Content-Disposition: form-data; name="a"\r\n\r\n${card}`)],
    [
      'a file in parts',
      multipart,
      parts(
        'Content-Disposition: form-data; name="e"\r\n\r\n',
        `Content-Disposition: form-data; name="f"; filename="a.csv"\r\nContent-Type: text/csv\r\n\r\n${card};`,
      ),
    ],
    [
      'a part in JSON',
      multipart,
      parts(`Content-Disposition: form-data; name="f"\r\nContent-Type: application/json\r\n\r\n"\\n${card}"`),
    ],
    [
      'a page, its characters by name and number',
      'text/html; charset=utf-8',
      `<p>4111&nbsp;1111&#160;1111&#xA0;${card.slice(12)}</p>`,
    ],
    ['XML, by number', 'application/soap+xml', `<c>${card.replace('4', '&#x34;')}</c>`],
    [
      'a form whose lines end otherwise',
      multipart,
      `--b\nContent-Disposition: form-data; name="f"\n\n${card}\n--b--\n`,
    ],
    ['a form, before its parts', multipart, `${card}\r\n${parts('\r\nx')}`],
    ['a form, behind its parts', multipart, `${parts('\r\nx')}\r\n ${card}`],
    ['a form that is broken off', multipart, `--b\r\nContent-Disposition: form-data; name="${card}"`],
    [
      'parts that look like boundaries',
      multipart,
      parts(`Content-Disposition: form-data; name="f"\r\n\r\n\r\n--b \r\n--b${card}\r\n ${card}`),
    ],
  ])('%s, wherever a piece ends', (_what, type, body) => {
    for (const size of [1, 2, 3, 5, 1000])
      expect([size, scan(body, type, size)]).toEqual([size, { card: 1 }]);
  });

  it('no number out of two fields, parts or bodies', () => {
    expect(scan('a=41111111&b=11111111', form)).toEqual({});
    const head = 'Content-Disposition: form-data; name="a"\r\n\r\n';
    expect(scan(parts(`${head}41111111`, `${head}11111111`), multipart)).toEqual({});
  });

  it('says what is no text, whole or in part', () => {
    const isText = (type: string, body: string | Buffer = ''): string => {
      const scanner = createBodyScanner(type, detectors);
      scanner.write(typeof body === 'string' ? Buffer.from(body) : body);
      scanner.end();
      return `${scanner.isText} ${JSON.stringify(scanner.counts)}`;
    };
    expect(isText('image/png', card)).toBe('none {}');
    expect(isText('application/pdf', `%PDF-1.7\n${card}`)).toBe('none {}');
    expect(isText('application/octet-stream', `PK\x03\x04${'x'.repeat(2000)} ${card}`)).toBe('none {}');
    expect(isText('application/octet-stream', Buffer.alloc(400, 0xe9))).toBe('none {}');
    expect(isText('text/plain; charset=ebcdic-nowhere', card)).toBe('none {}');
    const file = `Content-Disposition: form-data; name="f"; filename="a"\r\n\r\n\0 ${card}`;
    const field = `Content-Disposition: form-data; name="g"\r\n\r\n5555555555554444`;
    expect(isText(multipart, parts(file, field, file))).toBe('some {"card":1}');
    const mail = `Content-Disposition: form-data; name="f"\r\nContent-Transfer-Encoding: base64\r\n\r\n${btoa(card)}`;
    expect(isText(multipart, parts(mail, field))).toBe('some {"card":1}');
    expect(isText('text/html', card)).toBe('all {"card":1}');
  });
});

it('finds the same in whatever pieces a text comes, also around what is found', () => {
  const words = fc.constantFrom(
    'FR14 2004 1010 0505 0001 3M02 606',
    'GB29NWBK60161331926819',
    card,
    '5555 5555 5555 4444',
    '2 69 05 49 588 157 80',
    'alice@example.org',
    'bob@example.org',
    'dossier-123456',
    '4111',
    '1111',
    ' ',
    ',',
    '\n',
    '@',
    'x',
    '-',
    '.',
    '99',
    'é',
    'FR14',
  );
  fc.assert(
    fc.property(fc.array(words, { maxLength: 60 }), fc.integer({ min: 1, max: 300 }), (list, size) => {
      const text = list.join('');
      expect(scan(text, 'text/plain', size)).toEqual(scan(text));
    }),
    { numRuns: 500 },
  );
});

it('one pattern for many contents at once finds in each what is in it', () => {
  const scanners = Array.from({ length: 3 }, () => createBodyScanner('text/plain', detectors));
  const text = 'dossier-000001 and dossier-000002, dossier-000003 '.repeat(20);
  for (const scanner of scanners) scanner.write(Buffer.from(text));
  for (const scanner of scanners) scanner.write(Buffer.from(text.replaceAll('00000', '11111')));
  for (const scanner of scanners) scanner.end();
  expect(scanners.map(({ counts }) => counts)).toEqual(scanners.map(() => ({ dossier: 6 })));
});

it('patterns are checked before they are used', () => {
  expect(findPatternProblem('[0-9]{6}')).toBeUndefined();
  expect(findPatternProblem('a*')).toBe('finds the empty text');
  expect(findPatternProblem('(?=a)b')).toMatch(/^is no pattern of RE2: /);
  expect(findPatternProblem('[A-Z0-9._%+-]{1,64}@[a-z]{1,63}')).toBeUndefined();
  expect(findPatternProblem('(?:a?){500}a{500}')).toMatch(/^takes too long: 1\d{3} steps/);
  expect(findPatternProblem('(a')).toMatch(/^is no pattern of RE2: /);
});
