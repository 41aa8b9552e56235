import { isIPv6 } from 'node:net';

/** Counts failures of strangers by address. Bounded in memory whatever they do. */
export interface FailureLimit {
  /** Whether the address has failed too often. Times in epoch milliseconds. */
  isBlocked(address: string, now: number): boolean;
  failed(address: string, now: number): void;
}

/** A host has a /64 of IPv6 to itself, so the whole of it counts as one. */
export function addressBlock(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined || !isIPv6(address)) return mapped ?? address;
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const behind = tail === '' ? [] : tail.split(':');
    while (groups.length + behind.length < 8) groups.push('0');
    groups.push(...behind);
  }
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}

export function createFailureLimit(
  options: { readonly failures?: number; readonly windowMs?: number; readonly maxAddresses?: number } = {},
): FailureLimit {
  const { failures = 20, windowMs = 60_000, maxAddresses = 10_000 } = options;
  const windows = new Map<string, { since: number; count: number }>();
  const current = (address: string, now: number): { since: number; count: number } | undefined => {
    const window = windows.get(address);
    return window !== undefined && now - window.since < windowMs ? window : undefined;
  };
  return {
    isBlocked: (address, now) => (current(addressBlock(address), now)?.count ?? 0) >= failures,
    failed(address, now) {
      const block = addressBlock(address);
      const window = current(block, now) ?? { since: now, count: 0 };
      window.count += 1;
      // Newest last: what is forgotten when there are too many is what is over soonest.
      windows.delete(block);
      windows.set(block, window);
      const [oldest] = windows.keys();
      if (windows.size > maxAddresses && oldest !== undefined) windows.delete(oldest);
    },
  };
}
