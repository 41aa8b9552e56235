import { createHmac } from 'node:crypto';
import { isPseudonym } from '../../contract/session-token.ts';

/** 2026-11, in UTC: for as long a person has one pseudonym. `at` in epoch milliseconds. */
export const monthOf = (at: number): string => new Date(at).toISOString().slice(0, 7);

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';

/** Lower-case base32 (RFC 4648, section 6), the first 26 characters of it. */
function base32(bytes: Buffer): string {
  let bits = 0n;
  for (const byte of bytes.subarray(0, 17)) bits = (bits << 8n) | BigInt(byte);
  let text = '';
  for (let index = 0n; index < 26n; index += 1n)
    text += alphabet.charAt(Number((bits >> (131n - index * 5n)) & 31n));
  return text;
}

/**
 * What records of a month call a person: HMAC-SHA-256 under the key of the person and that of the month together. Without
 * either, it leads to nobody, and pseudonyms of two months cannot be told to be of one person.
 */
export const pseudonymOf = (personKey: Buffer, monthKey: Buffer, month: string): string =>
  `p-${month}-${base32(
    createHmac('sha256', Buffer.concat([personKey, monthKey]))
      .update(`postern-pseudonym-1\n${month}`)
      .digest(),
  )}`;

/** Of which month it is; undefined for what is none. */
export const monthOfPseudonym = (text: string): string | undefined =>
  isPseudonym(text) ? text.slice('p-'.length, 'p-2026-11'.length) : undefined;
