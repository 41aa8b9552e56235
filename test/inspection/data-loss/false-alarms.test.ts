import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createBodyScanner } from '../../../src/inspection/data-loss/body-scanner.ts';
import { buildDetectors } from '../../../src/inspection/data-loss/detectors.ts';
import { ordinary } from '../corpus/ordinary.ts';

const detectors = buildDetectors({ kinds: ['iban', 'card', 'nir', 'email'], patterns: [] });

function countsOf(text: string, type = 'text/plain'): Readonly<Record<string, number>> {
  const scanner = createBodyScanner(type, detectors);
  scanner.write(Buffer.from(text));
  scanner.end();
  return scanner.counts;
}

/** The same numbers each time (mulberry32). */
function createRandom(): (below: number) => number {
  let state = 20_260_727;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}
const random = createRandom();
const digits = (count: number): string => Array.from({ length: count }, () => random(10)).join('');
const letters = (count: number): string =>
  Array.from({ length: count }, () => String.fromCharCode(65 + random(26))).join('');
const hash = (): string => createHash('sha256').update(digits(20)).digest('hex');
const luhnDigit = (number: string): string => {
  let sum = 0;
  for (const [index, digit] of Array.from(number).toReversed().entries()) {
    const weighed = Number(digit) * (index % 2 === 0 ? 2 : 1);
    sum += weighed > 9 ? weighed - 9 : weighed;
  }
  return String((10 - (sum % 10)) % 10);
};
const eanDigit = (number: string): string => {
  const sum = Array.from(number).reduce(
    (all, digit, index) => all + Number(digit) * (index % 2 === 0 ? 1 : 3),
    0,
  );
  return String((10 - (sum % 10)) % 10);
};
const withLuhn = (number: string): string => number + luhnDigit(number);
const groups = (text: string, size: number): string =>
  text.replaceAll(new RegExp(`.{${size}}(?=.)`, 'g'), '$& ');
const times = 2000;
const many = (make: () => string): string => Array.from({ length: times }, make).join(';\n');

describe('of two thousand each, none is taken for protected data among', () => {
  it.each<[string, () => string]>([
    [
      'times in milliseconds, microseconds and nanoseconds',
      () => `17${digits(11)} 17${digits(14)} 17${digits(17)}`,
    ],
    [
      'dates and hours',
      () => `20${digits(2)}-0${random(9) + 1}-1${random(10)}T1${random(10)}:${digits(2)}:00.${digits(6)}Z`,
    ],
    [
      'identifiers (UUID)',
      () =>
        hash()
          .slice(0, 32)
          .replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
    ],
    ['hashes', hash],
    ['keys in base64', () => Buffer.from(hash(), 'hex').toString('base64')],
    ['articles (EAN-13)', () => ((number) => number + eanDigit(number))(`${3 + random(2)}${digits(11)}`)],
    ['establishments (SIRET)', () => ((siren) => withLuhn(siren + digits(4)))(withLuhn(digits(8)))],
    ['establishments in groups', () => ((siren) => `${groups(siren, 3)} ${digits(5)}`)(withLuhn(digits(8)))],
    ['telephones', () => `0${random(9) + 1} ${groups(digits(8), 2)} / +33${random(9) + 1}${digits(8)}`],
    ['securities (ISIN)', () => `FR00${digits(8)}`],
    ['value added tax numbers', () => `FR${digits(2)}${withLuhn(digits(8))}`],
    ['banks (BIC)', () => `${letters(4)}FR${letters(2)}${letters(3)}`],
    ['amounts', () => `${groups(digits(9), 3)},${digits(2)} EUR ${digits(6)}.${digits(12)}`],
    ['invoices', () => `FA-20${digits(2)}-${digits(8)} CMD${digits(16)} N°${digits(9)}`],
    [
      'addresses of machines',
      () =>
        `10.${random(256)}.${random(256)}.${random(256)} fe80::${hash().slice(0, 4)}:${hash().slice(0, 4)}`,
    ],
    ['places on earth', () => `4${random(10)}.${digits(14)}, 2.${digits(15)}`],
    ['mentions', () => `@${letters(8)} ${letters(5)}@ @media ${letters(3)}@${letters(3)}`],
  ])('%s', (_what, make) => {
    expect(countsOf(many(make))).toEqual({});
  });

  it('but of any numbers of the right length some are right by chance', () => {
    const share = (text: string): Record<string, number> =>
      Object.fromEntries(
        Object.entries(countsOf(text)).map(([kind, count]) => [
          kind,
          Math.round((count / times) * 1000) / 10,
        ]),
      );
    // In percent: sixteen digits are a card once in forty times, fifteen a social security number once or twice in two hundred.
    expect(share(many(() => digits(16)))).toEqual({ card: 2.5 });
    expect(share(many(() => digits(15)))).toEqual({ card: 0.3, nir: 0.5 });
    expect(share(many(() => withLuhn(`35${digits(12)}`)))).toEqual({ nir: 0.6 });
  });

  it('nor in ordinary requests and in our own guides', () => {
    const found = Object.values(ordinary)
      .flat()
      .flatMap(({ body = '', type = '' }) => Object.entries(countsOf(body, type)))
      .filter(([kind]) => kind !== 'email');
    // Somebody's own account, on a form.
    expect(found).toEqual([['iban', 1]]);
    const docs = new URL('../../../docs/', import.meta.url);
    for (const name of readdirSync(docs))
      expect([
        name,
        Object.keys(countsOf(readFileSync(new URL(name, docs), 'utf8'))).filter((kind) => kind !== 'email'),
      ]).toEqual([name, []]);
  });
});

describe('of five hundred each, all are found among', () => {
  const found = 500;
  const all = (make: () => string): string =>
    [...new Set(Array.from({ length: found * 2 }, make))].slice(0, found).join('\n');
  const remainder = (text: string): number =>
    Array.from(text).reduce((rest, character) => Number(`${rest}${Number.parseInt(character, 36)}`) % 97, 0);
  const iban = (country: string, account: string): string =>
    `${country}${String(98 - remainder(`${account}${country}00`)).padStart(2, '0')}${account}`;
  const nir = (department: string): string => {
    const number = `${1 + random(2)}${digits(2)}${String(random(12) + 1).padStart(2, '0')}${department}${1 + random(8)}${digits(2)}${1 + random(8)}${digits(2)}`;
    const key = 97 - (Number(number.replace('2A', '19').replace('2B', '18')) % 97);
    return number + String(key).padStart(2, '0');
  };

  it.each<[string, string, () => string]>([
    ['French accounts', 'iban', () => iban('FR', `${digits(10)}${digits(11)}${digits(2)}`)],
    ['French accounts in groups', 'iban', () => groups(iban('FR', digits(23)), 4)],
    ['British accounts', 'iban', () => iban('GB', letters(4) + digits(14))],
    ['Norwegian accounts', 'iban', () => iban('NO', digits(11))],
    ['Visa', 'card', () => withLuhn(`4${digits(14)}`)],
    ['Mastercard in groups', 'card', () => groups(withLuhn(`5${1 + random(5)}${digits(13)}`), 4)],
    ['American Express', 'card', () => withLuhn(`37${digits(12)}`)],
    ['people born in Calvados', 'nir', () => nir('14')],
    ['people born in Corsica', 'nir', () => nir(random(2) === 0 ? '2A' : '2B')],
    [
      'people born elsewhere, in groups',
      'nir',
      () => nir('99').replace(/(.)(..)(..)(..)(...)(...)(..)/, '$1 $2 $3 $4 $5 $6 $7'),
    ],
    ['addresses', 'email', () => `${letters(6)}.${digits(4)}@${letters(5)}.example.fr`],
  ])('%s', (_what, kind, make) => {
    expect(countsOf(all(make))).toEqual({ [kind]: found });
  });
});
