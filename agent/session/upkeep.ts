import type { Clock } from '../clock.ts';
import type { Identity } from './identity.ts';

export interface UpkeepOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly pingIntervalMs: number;
  /** The current identity first. */
  identities(): readonly Identity[];
  ping(): void;
  refreshToken(identity: Identity): Promise<void>;
  renew(): Promise<void>;
  /** Given a function that makes upkeep look at its due dates anew. */
  onWake(wake: () => void): void;
}

/**
 * The one timer of a quiet agent: PINGs at their interval, and in between whatever falls due. It never sleeps longer
 * than an interval, because timers stand still while a laptop sleeps and due dates do not.
 */
export async function runUpkeep(options: UpkeepOptions): Promise<void> {
  const { clock, signal } = options;
  let sleep = new AbortController();
  options.onWake(() => sleep.abort());
  const stop = (): void => sleep.abort();
  signal.addEventListener('abort', stop, { once: true });
  let lastPing = clock.monotonic();
  while (!signal.aborted) {
    sleep = new AbortController();
    const [current] = options.identities();
    const due = options.identities().map((identity) => identity.tokens.dueInMs());
    const pingInMs = options.pingIntervalMs - (clock.monotonic() - lastPing);
    await clock.sleep(Math.max(0, Math.min(pingInMs, current?.renewal.dueInMs() ?? Infinity, ...due)), sleep.signal);
    if (signal.aborted) break;
    if (clock.monotonic() - lastPing >= options.pingIntervalMs) {
      lastPing = clock.monotonic();
      options.ping();
    }
    for (const identity of options.identities()) {
      if (identity.tokens.dueInMs() === 0) await options.refreshToken(identity);
    }
    if (options.identities()[0]?.renewal.dueInMs() === 0) await options.renew();
  }
  signal.removeEventListener('abort', stop);
}
