import { randomBytes } from 'node:crypto';

/** Of this process, so that no two workers make the same; drawn once, since asking for random bytes each time costs. */
const node = randomBytes(6).toString('hex');
let counter = randomBytes(3).readUIntBE(0, 3);
let lastTime = -1;
let timeText = '';

const octets = Array.from({ length: 256 }, (_, octet) => octet.toString(16).padStart(2, '0'));
/** Four digits. */
const hexOf = (value: number): string => `${octets[value >>> 8]}${octets[value & 0xff]}`;

/**
 * UUID version 7 (RFC 9562, section 5.7) of an epoch in milliseconds. Ordered within a process by a counter of 26 bits
 * (section 6.2, method 1), apart between processes by 48 random bits. To be told apart, not to be kept secret.
 */
export function createUuidV7(nowMs: number): string {
  if (nowMs !== lastTime) {
    lastTime = nowMs;
    const time = Math.trunc(nowMs).toString(16).padStart(12, '0');
    timeText = `${time.slice(0, 8)}-${time.slice(8, 12)}-`;
  }
  counter = (counter + 1) & 0x3ff_ffff;
  // The version in front of the upper 12 bits, the variant (binary 10) in front of the lower 14.
  const upper = 0x7000 | (counter >>> 14);
  const lower = 0x8000 | (counter & 0x3fff);
  return `${timeText}${hexOf(upper)}-${hexOf(lower)}-${node}`;
}

/**
 * UUID version 7 of something that has a time and a hash (hexadecimal) of its own: whoever records it gives it the same id,
 * so that it is known again. The 74 bits that are not of the time are the hash's first.
 */
export function uuidV7Of(timeMs: number, hashHex: string): string {
  const time = Math.trunc(timeMs).toString(16).padStart(12, '0');
  const variant = (0x8 | (Number.parseInt(hashHex.charAt(3), 16) & 0x3)).toString(16);
  return `${time.slice(0, 8)}-${time.slice(8, 12)}-7${hashHex.slice(0, 3)}-${variant}${hashHex.slice(4, 7)}-${hashHex.slice(7, 19)}`;
}
