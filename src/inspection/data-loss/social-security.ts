import { patternDetector } from './detector.ts';
import type { Detector } from './detector.ts';

/**
 * French social security numbers (NIR) with their key: sex, year, month, department or country, commune, order, and 97 less
 * the remainder of all that. Months beyond twelve stand for unknown ones. Corsica's departments count as 19 and 18.
 */
export const nirDetector: Detector = patternDetector(
  'nir',
  28,
  /(?<![A-Za-z0-9_]|[0-9][.,-])[123478]([ .\u00a0\u202f]?)[0-9]{2}\1(?:0[1-9]|1[0-2]|[235-9][0-9]|4[0-2])\1(?:0[1-9]|[1-9][0-9]|2[ABab])\1[0-9]{3}\1[0-9]{3}[ .\u00a0\u202f-]?[0-9]{2}(?![A-Za-z0-9_]|[.,-][0-9])/g,
  (written) => {
    const number = written.replaceAll(/[^0-9ABab]/g, '').toUpperCase();
    if (number.slice(7, 10) === '000' || number.slice(10, 13) === '000') return undefined;
    const counted = number.slice(0, 13).replace('2A', '19').replace('2B', '18');
    return 97 - (Number(counted) % 97) === Number(number.slice(13)) ? number : undefined;
  },
);
