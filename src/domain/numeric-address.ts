/**
 * Numeric addresses, read strictly and in one way: no leading zeros, no hexadecimal or short IPv4 forms, no zones.
 * Here rather than by node:net, since this folder is plain values.
 */
export type AddressScope = 'global' | 'loopback' | 'unspecified' | 'link-local' | 'multicast' | 'mapped';

const octet = '(?:0|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5])';
const ipv4Pattern = new RegExp(`^${octet}(?:\\.${octet}){3}$`);

/** Where an address reaches, or `undefined` for a text that is none. Private ranges count as global. */
export function scopeOfAddress(text: string): AddressScope | undefined {
  if (ipv4Pattern.test(text)) return scopeOfIpv4(text.split('.').map(Number));
  const groups = parseIpv6(text);
  return groups === undefined ? undefined : scopeOfIpv6(groups);
}

export const isNumericAddress = (text: string): boolean => scopeOfAddress(text) !== undefined;

function scopeOfIpv4([a = 0, b = 0, c = 0, d = 0]: readonly number[]): AddressScope {
  if (a === 127) return 'loopback';
  if (a === 0) return 'unspecified';
  if (a === 169 && b === 254) return 'link-local';
  if (a >= 224 && a < 240) return 'multicast';
  return a === 255 && b === 255 && c === 255 && d === 255 ? 'multicast' : 'global';
}

function scopeOfIpv6(groups: readonly number[]): AddressScope {
  const [first = 0] = groups;
  const isZeroUpTo = (end: number): boolean => groups.slice(0, end).every((group) => group === 0);
  if (isZeroUpTo(7)) return groups[7] === 0 ? 'unspecified' : groups[7] === 1 ? 'loopback' : 'mapped';
  // IPv4 in IPv6 clothes, mapped or compatible or translated: an address by another name, which rules on IPv4 miss.
  if (isZeroUpTo(5) && groups[5] === 0xffff) return 'mapped';
  if (isZeroUpTo(6) || (isZeroUpTo(4) && groups[4] === 0xffff && groups[5] === 0)) return 'mapped';
  if (first === 0x64 && groups[1] === 0xff9b) return 'mapped';
  if ((first & 0xffc0) === 0xfe80) return 'link-local';
  return (first & 0xff00) === 0xff00 ? 'multicast' : 'global';
}

/** RFC 4291, section 2.2, as eight numbers. */
function parseIpv6(text: string): number[] | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const parts = halves.map((half) => (half === '' ? [] : half.split(':')));
  // Dotted IPv4 may stand at the very end, for two groups.
  const tail = parts.at(-1) ?? [];
  const dotted = tail.at(-1) ?? '';
  if (ipv4Pattern.test(dotted)) {
    const [a = 0, b = 0, c = 0, d = 0] = dotted.split('.').map(Number);
    tail.splice(-1, 1, ((a << 8) | b).toString(16), ((c << 8) | d).toString(16));
  }
  const written = parts.flat();
  if (!written.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  const missing = 8 - written.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const zeros = Array.from({ length: missing }, () => '0');
  const all = halves.length === 1 ? written : [...(parts[0] ?? []), ...zeros, ...(parts[1] ?? [])];
  return all.map((group) => Number.parseInt(group, 16));
}
