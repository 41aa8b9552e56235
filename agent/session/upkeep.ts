import type { Clock } from '../clock.ts';
import { startStopwatch } from '../clock.ts';
import type { Identity } from './identity.ts';
import type { Renewal } from './renewal.ts';

export interface UpkeepOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly pingIntervalMs: number;
  /** Of the current certificate. */
  renewal(): Renewal;
  /** Those whose sessions carry flows. */
  inUse(): readonly Identity[];
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
  let sincePing = startStopwatch(clock);
  while (!signal.aborted) {
    sleep = new AbortController();
    const due = options.inUse().map((identity) => identity.tokens.dueInMs());
    const pingInMs = options.pingIntervalMs - sincePing() * 1000;
    await clock.sleep(Math.max(0, Math.min(pingInMs, options.renewal().dueInMs(), ...due)), sleep.signal);
    if (signal.aborted) break;
    if (sincePing() * 1000 >= options.pingIntervalMs) {
      sincePing = startStopwatch(clock);
      options.ping();
    }
    for (const identity of options.inUse()) {
      if (identity.tokens.dueInMs() === 0) await options.refreshToken(identity);
    }
    if (options.renewal().dueInMs() === 0) await options.renew();
  }
  signal.removeEventListener('abort', stop);
}
