import type { Logger } from 'pino';
import type { Clock } from '../clock.ts';
import type { CarrierState } from '../session/failure.ts';
import type { Portal } from './find-portal.ts';

/** How soon after its sign-in a user is connected, at most. It is asked only while nothing passes. */
const lookMs = 5000;

/** What is known of a captive portal. */
export interface PortalWatch {
  /** Looks now; many who ask at once share one look. */
  look(): Promise<Portal | undefined>;
  /** To be told each state of the carrier: one in which nothing answers begins the looks, `connected` ends them. */
  follow(state: CarrierState): void;
}

/** States that a portal would explain: nobody who could refuse was reached. */
const silent: ReadonlySet<CarrierState> = new Set([
  'control-unreachable',
  'control-foreign',
  'gateway-unreachable',
]);

export function createPortalWatch(options: {
  readonly find: (signal: AbortSignal) => Promise<Portal | undefined>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** One was found, or another than before. */
  readonly onPortal: (portal: Portal) => void;
  /** The one that was found is there no more. */
  readonly onGone: () => void;
}): PortalWatch {
  const { clock, log, signal } = options;
  let known: Portal | undefined;
  let looking: Promise<Portal | undefined> | undefined;
  let isWatching = false;
  let isNeeded = false;

  const lookNow = async (): Promise<Portal | undefined> => {
    try {
      const found = await options.find(signal);
      if (signal.aborted) return undefined;
      const before = known;
      known = found;
      if (found !== undefined && found.url !== before?.url) {
        log.warn({ url: found.url }, 'captive portal');
        options.onPortal(found);
      }
      if (found === undefined && before !== undefined) {
        log.info({}, 'captive portal gone');
        options.onGone();
      }
      return found;
    } finally {
      looking = undefined;
    }
  };
  const look = (): Promise<Portal | undefined> => (looking ??= lookNow());
  const watch = async (): Promise<void> => {
    if (isWatching) return;
    isWatching = true;
    for (;;) {
      await look();
      await clock.sleep(lookMs, signal);
      if (!isNeeded || signal.aborted) break;
    }
    isWatching = false;
  };
  return {
    look,
    follow(state) {
      if (state === 'connected') {
        isNeeded = false;
        known = undefined;
      } else if (silent.has(state)) {
        isNeeded = true;
        void watch();
      }
    },
  };
}
