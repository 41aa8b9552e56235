import { patternDetector } from './detector.ts';
import type { Detector } from './detector.ts';

/**
 * Numbers of payment cards: what an issuer gives out (ISO/IEC 7812), with a right last digit (Luhn); in one piece, or in the
 * groups in which cards are printed. A tenth of all numbers has a right last digit, so that nothing else is taken for one.
 */
export const cardDetector: Detector = patternDetector(
  'card',
  24,
  /(?<![A-Za-z0-9_]|[0-9][.-])(?:[2-6][0-9]{13,18}|[2-6][0-9]{3}([ \u00a0\u202f-])[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?:\1[0-9]{3})?|3[0-9]{3}([ \u00a0\u202f-])[0-9]{6}\2[0-9]{4,5})(?![A-Za-z0-9_]|[.-][0-9])/g,
  (written) => {
    const digits = written.replaceAll(/[^0-9]/g, '');
    return isIssued(digits) && hasLuhn(digits) && !isSiret(digits) ? digits : undefined;
  },
);

interface Range {
  /** Of as many first digits as these have. */
  readonly from: number;
  readonly to: number;
  readonly lengths: readonly number[];
}

const upTo19 = [16, 17, 18, 19];
const ranges: readonly Range[] = [
  // Visa
  { from: 4, to: 4, lengths: [16, 19] },
  // Mastercard
  { from: 51, to: 55, lengths: [16] },
  { from: 2221, to: 2720, lengths: [16] },
  // American Express
  { from: 34, to: 34, lengths: [15] },
  { from: 37, to: 37, lengths: [15] },
  // Diners Club
  { from: 300, to: 305, lengths: [14, 16] },
  { from: 3095, to: 3095, lengths: [14, 16] },
  { from: 36, to: 36, lengths: [14, 16] },
  { from: 38, to: 39, lengths: [14, 16] },
  // JCB
  { from: 3528, to: 3589, lengths: upTo19 },
  // Discover
  { from: 6011, to: 6011, lengths: upTo19 },
  { from: 644, to: 659, lengths: upTo19 },
  // UnionPay
  { from: 62, to: 62, lengths: upTo19 },
  // Maestro, as it was last given out
  { from: 5018, to: 5018, lengths: upTo19 },
  { from: 5020, to: 5020, lengths: upTo19 },
  { from: 5038, to: 5038, lengths: upTo19 },
  { from: 6304, to: 6304, lengths: upTo19 },
  { from: 6759, to: 6763, lengths: upTo19 },
];

const isIssued = (digits: string): boolean =>
  ranges.some(({ from, to, lengths }) => {
    const first = Number(digits.slice(0, String(from).length));
    return first >= from && first <= to && lengths.includes(digits.length);
  });

/** French establishments have fourteen digits with a right last one, too, of which the first nine are so by themselves. */
const isSiret = (digits: string): boolean => digits.length === 14 && hasLuhn(digits.slice(0, 9));

/** ISO/IEC 7812-1, annex B. */
function hasLuhn(digits: string): boolean {
  let sum = 0;
  for (let index = 0; index < digits.length; index += 1) {
    const digit = Number(digits[digits.length - 1 - index]);
    const weighed = index % 2 === 0 ? digit : digit * 2;
    sum += weighed > 9 ? weighed - 9 : weighed;
  }
  return sum % 10 === 0;
}
