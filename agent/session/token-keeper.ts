import type { TokenResponse } from '../../src/contract/control-api.ts';
import type { PostureReport } from '../../src/contract/posture.ts';
import { startStopwatch } from '../clock.ts';
import type { Clock } from '../clock.ts';
import type { DeviceApi } from '../control/device-api.ts';
import type { PostureProvider } from '../posture/posture-provider.ts';
import type { Credentials } from '../state/credentials.ts';
import type { SessionCache } from '../state/session-cache.ts';
import { fullJitter } from './backoff.ts';
import type { Random } from './backoff.ts';

const retryLimits = { baseMs: 1000, capMs: 30_000 };

export interface HeldToken {
  readonly value: string;
  /** Epoch seconds, by the control plane's clock. */
  readonly expiresAt: number;
  readonly lifeSeconds: number;
}

/** Keeps the session token of one certificate fresh: fetched at most once at a time, each with posture measured anew. */
export interface TokenKeeper {
  readonly credentials: Credentials;
  /** The token in hand, unless it has ended. */
  held(): HeldToken | undefined;
  /** A new one. Throws what DeviceApi and PostureProvider throw; the token in hand stays then. */
  fetch(signal?: AbortSignal): Promise<HeldToken>;
  /** Whether the token in hand was given for these results of the checks. One from before a restart was for none known. */
  standsFor(checks: PostureReport['checks']): boolean;
  /** Milliseconds until a new one should be fetched; 0 when that is now, Infinity when none was ever wanted. */
  dueInMs(): number;
  /** The new token was of no use at the gateway: try again in a while. */
  postpone(): void;
  /**
   * What a new one would say has changed: one is due now, if any was ever wanted. `fresh`: for it every check runs anew,
   * also where nothing was seen to change.
   */
  expedite(options?: { readonly fresh?: boolean }): void;
  /** There is none in hand any more. */
  forget(): void;
  /** What to keep on disk of it. */
  toCache(): SessionCache['token'];
}

export interface TokenKeeperOptions {
  readonly api: DeviceApi;
  readonly credentials: Credentials;
  readonly posture: PostureProvider;
  /** What is kept of the user's sign-in, as it is now. */
  readonly signIn: () => string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly cached?: SessionCache['token'] | undefined;
  readonly onToken?: () => void;
}

interface Kept extends HeldToken {
  /** Epoch seconds, by our clock. */
  readonly receivedAt: number;
  age(): number;
  /** Age in seconds from which to fetch the next. */
  readonly refreshAt: number;
}

export function createTokenKeeper(options: TokenKeeperOptions): TokenKeeper {
  const { api, credentials, posture, clock, random } = options;
  // Two thirds of the life at most; a little earlier for some, so that a fleet that started together spreads out.
  const refreshAge = (lifeSeconds: number): number => lifeSeconds * (2 / 3 - 0.1 * random());
  let kept: Kept | undefined = fromCache(options, refreshAge);
  let fetching: Promise<HeldToken> | undefined;
  let failures = 0;
  let isUrgent = false;
  let mustBeFresh = false;
  let reported: PostureReport['checks'] | undefined;
  let postponed: { readonly elapsed: () => number; readonly ms: number } | undefined;

  const postpone = (): void => {
    postponed = { elapsed: startStopwatch(clock), ms: fullJitter(failures, retryLimits, random) };
    failures += 1;
  };
  const fetchNow = async (signal: AbortSignal | undefined): Promise<HeldToken> => {
    isUrgent = false;
    try {
      const fresh = mustBeFresh;
      const report = (await posture.measure({ fresh })).report();
      mustBeFresh &&= !fresh;
      const answer: TokenResponse = await api.fetchToken(credentials, report, options.signIn(), signal);
      reported = report.checks;
      const lifeSeconds = Math.max(1, answer.expiresInSeconds);
      kept = {
        value: answer.token,
        expiresAt: answer.expiresAt,
        lifeSeconds,
        receivedAt: Math.floor(clock.now() / 1000),
        age: startStopwatch(clock),
        refreshAt: refreshAge(lifeSeconds),
      };
      failures = 0;
      postponed = undefined;
      options.onToken?.();
      return kept;
    } catch (error) {
      postpone();
      throw error;
    } finally {
      fetching = undefined;
    }
  };

  return {
    credentials,
    held: () => (kept !== undefined && kept.age() < kept.lifeSeconds ? kept : undefined),
    fetch: (signal) => (fetching ??= fetchNow(signal)),
    standsFor: (checks) =>
      reported !== undefined && Object.entries(checks).every(([name, value]) => reported?.[name] === value),
    dueInMs: () => {
      if (isUrgent) return 0;
      if (postponed !== undefined) return Math.max(0, postponed.ms - postponed.elapsed() * 1000);
      return kept === undefined ? Infinity : Math.max(0, (kept.refreshAt - kept.age()) * 1000);
    },
    postpone,
    expedite: ({ fresh = false } = {}) => {
      isUrgent = kept !== undefined;
      mustBeFresh ||= fresh;
    },
    forget: () => {
      kept = undefined;
    },
    toCache: () =>
      kept === undefined
        ? undefined
        : {
            value: kept.value,
            thumbprint: credentials.thumbprint,
            receivedAt: kept.receivedAt,
            expiresAt: kept.expiresAt,
            lifeSeconds: kept.lifeSeconds,
          },
  };
}

/** A token of an earlier run counts from when that run received it; one of another certificate, or of the future, not at all. */
function fromCache(options: TokenKeeperOptions, refreshAge: (life: number) => number): Kept | undefined {
  const { cached, credentials, clock } = options;
  const now = Math.floor(clock.now() / 1000);
  if (cached === undefined || cached.thumbprint !== credentials.thumbprint || cached.receivedAt > now)
    return undefined;
  const since = startStopwatch(clock);
  const before = now - cached.receivedAt;
  return {
    value: cached.value,
    expiresAt: cached.expiresAt,
    lifeSeconds: cached.lifeSeconds,
    receivedAt: cached.receivedAt,
    age: () => before + since(),
    refreshAt: refreshAge(cached.lifeSeconds),
  };
}
