import { createHash } from 'node:crypto';

/**
 * The loopback address of each application's host, out of 127.64.0.0/10. The host's hash says where to look first, so
 * that a host has the same address again even where the book was lost, and nearly always the same on every laptop. An
 * address that was given once is not given to another host: a program that still remembers it must not end up at another
 * application.
 */
export interface AddressBook {
  /** Addresses of all these hosts; who is new in the book gets the next free one. */
  assign(hosts: Iterable<string>): ReadonlyMap<string, string>;
  hostAt(address: string): string | undefined;
}

/** 127.64.0.0/24 is left to the resolver. */
const rangeBits = 22;
const rangeStart = 0x7f400000;
const reservedSize = 256;
const mostRemembered = 4096;

export const isInterceptAddress = (address: string): boolean =>
  /^127\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\.(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})$/.test(address) &&
  address.split('.').every((part) => Number(part) <= 255);

const toText = (place: number): string =>
  [24, 16, 8, 0].map((shift) => ((rangeStart + place) >>> shift) & 255).join('.');

const mayBeGiven = (place: number): boolean =>
  place >= reservedSize && (place & 255) !== 0 && (place & 255) !== 255;

function firstPlace(host: string): number {
  return createHash('sha256').update(host).digest().readUInt32BE(0) >>> (32 - rangeBits);
}

/** @param keep called with the whole book whenever it got a new page; a failure is the caller's affair. */
export function createAddressBook(
  known: Readonly<Record<string, string>>,
  keep: (book: Readonly<Record<string, string>>) => void,
): AddressBook {
  const byHost = new Map(Object.entries(known));
  const byAddress = new Map([...byHost].map(([host, address]) => [address, host]));

  const give = (host: string): void => {
    let place = firstPlace(host);
    while (!mayBeGiven(place) || byAddress.has(toText(place))) place = (place + 1) % 2 ** rangeBits;
    byHost.set(host, toText(place));
    byAddress.set(toText(place), host);
  };
  /** Oldest first, and none that is in use. */
  const forget = (inUse: ReadonlySet<string>): void => {
    for (const [host, address] of byHost) {
      if (byHost.size <= mostRemembered) return;
      if (inUse.has(host)) continue;
      byHost.delete(host);
      byAddress.delete(address);
    }
  };

  return {
    assign: (hosts) => {
      const wanted = new Set(hosts);
      const fresh = [...wanted].filter((host) => !byHost.has(host));
      for (const host of fresh) give(host);
      if (fresh.length > 0) {
        forget(wanted);
        keep(Object.fromEntries(byHost));
      }
      return new Map([...wanted].map((host) => [host, byHost.get(host) ?? '']));
    },
    hostAt: (address) => byAddress.get(address),
  };
}
