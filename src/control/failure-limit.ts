import { isIPv6 } from 'node:net';
import type { FleetingStore } from './fleeting/fleeting-store.ts';

/** Counts failures of strangers by address, wherever they come. Bounded in memory whatever they do. */
export interface FailureLimit {
  /** Whether the address has failed too often. */
  isBlocked(address: string): Promise<boolean>;
  failed(address: string): Promise<void>;
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
  fleeting: FleetingStore,
  options: { readonly failures?: number; readonly windowMs?: number } = {},
): FailureLimit {
  const { failures = 20, windowMs = 60_000 } = options;
  return {
    isBlocked: async (address) => Number((await fleeting.get(addressBlock(address))) ?? 0) >= failures,
    async failed(address) {
      await fleeting.count(addressBlock(address), windowMs);
    },
  };
}
