import { networkInterfaces } from 'node:os';
import type { Clock } from '../clock.ts';

/** The addresses that the laptop has now. */
export type LocalAddresses = () => ReadonlySet<string>;

export const systemAddresses: LocalAddresses = () =>
  new Set(
    Object.values(networkInterfaces()).flatMap((found) =>
      (found ?? []).map(({ address }) => address.toLowerCase()),
    ),
  );

/**
 * How often it is looked. Asking costs some 50 microseconds, which a subscription to netlink would need a process for.
 * Flows that wait find out sooner, by what watches their session.
 */
const lookMs = 5000;
/** Between the two clocks, so much in one look is a sleep, or a clock that was set. */
const jumpMs = 2000;

export interface NetworkWatchOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly addresses: LocalAddresses;
  /** An address came or went. */
  onNetworkChange(addresses: ReadonlySet<string>): void;
  /** The laptop woke up, or its clock was set. */
  onTimeJump(): void;
}

/**
 * Notices another network, a sleep, and a clock that was set. The monotonic clock stands still while a laptop sleeps and
 * the other one does not, so it shows when they part.
 */
export async function watchNetwork(options: NetworkWatchOptions): Promise<void> {
  const { clock, signal } = options;
  const keyOf = (addresses: ReadonlySet<string>): string => [...addresses].sort().join(' ');
  let before = keyOf(options.addresses());
  while (!signal.aborted) {
    const [wall, steady] = [clock.now(), clock.monotonic()];
    await clock.sleep(lookMs, signal);
    if (signal.aborted) return;
    const addresses = options.addresses();
    const key = keyOf(addresses);
    if (key !== before) options.onNetworkChange(addresses);
    before = key;
    if (Math.abs(clock.now() - wall - (clock.monotonic() - steady)) > jumpMs) options.onTimeJump();
  }
}

const isLoopback = (address: string): boolean => address.startsWith('127.') || address === '::1';

/** Whether a connection's own end is gone with the address that it had. */
export const isStranded = (localAddress: string | undefined, addresses: ReadonlySet<string>): boolean =>
  localAddress !== undefined && !isLoopback(localAddress) && !addresses.has(localAddress.toLowerCase());
