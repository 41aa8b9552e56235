import { randomBytes } from 'node:crypto';
import type { DeviceId } from '../domain/ids.ts';

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';

/** `d-` and 80 random bits in base32 (RFC 4648, lower case): safe in a URI, a file name and a spoken sentence. */
export function newDeviceId(): DeviceId {
  // 80 bits are 16 digits of 5; each random octet gives one, its upper bits are dropped.
  const digits = Array.from(randomBytes(16), (octet) => alphabet[octet & 31] ?? '');
  return `d-${digits.join('')}` as DeviceId;
}
