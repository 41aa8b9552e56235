import type { Detector } from './detector.ts';

/** How long an IBAN of a country is: the registry of ISO 13616, release 99. */
const lengths: Readonly<Record<string, number>> = Object.fromEntries(
  (
    'AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 ' +
    'FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 ' +
    'LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 ' +
    'RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30'
  )
    .split(' ')
    .map((entry) => [entry.slice(0, 2), Number(entry.slice(2))]),
);

const beginning = /(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}(?=[ \u00a0\u202f-]?[A-Za-z0-9])/g;
const isSeparator = (character: string): boolean => ' -\u00a0\u202f'.includes(character);
const isAlphanumeric = (character: string): boolean => /^[A-Za-z0-9]$/.test(character);
/** The longest, a separator between any two of its characters, and one behind it. */
const reach = 2 * 34 + 1;

/** International bank account numbers, in one piece or in groups: length of the country, and remainder 1 by 97 (ISO 7064). */
export const ibanDetector: Detector = {
  name: 'iban',
  claims: true,
  reach,
  find(text, from, to) {
    beginning.lastIndex = from;
    for (let found = beginning.exec(text); found !== null && found.index < to; found = beginning.exec(text)) {
      const start = found.index;
      const length = lengths[found[0].slice(0, 2).toUpperCase()];
      const read = length === undefined ? undefined : readCharacters(text, start, length);
      if (read !== undefined && remainder(read.value) === 1) return { start, ...read };
      beginning.lastIndex = start + 1;
    }
    return undefined;
  },
};

/** So many characters with at most one separator between two, and none behind them that would belong to it. */
function readCharacters(
  text: string,
  start: number,
  count: number,
): { end: number; value: string } | undefined {
  let value = '';
  let at = start;
  while (value.length < count) {
    if (value !== '' && isSeparator(text[at] ?? '-')) at += 1;
    const character = text[at] ?? '';
    if (!isAlphanumeric(character)) return undefined;
    value += character;
    at += 1;
  }
  return isAlphanumeric(text[at] ?? '') ? undefined : { end: at, value: value.toUpperCase() };
}

/** Of the number that the characters stand for once the first four are behind the others, letters as 10 to 35. */
function remainder(iban: string): number {
  let rest = 0;
  for (const character of iban.slice(4) + iban.slice(0, 4)) {
    const value = Number.parseInt(character, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest;
}
