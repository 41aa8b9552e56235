import type { Logger } from 'pino';
import type { AgentConfig } from '../../src/contract/control-api.ts';
import { describeError } from '../agent-error.ts';
import { startStopwatch } from '../clock.ts';
import type { Clock } from '../clock.ts';
import type { DeviceApi } from '../control/device-api.ts';
import type { PeerProblem } from '../control/problem.ts';
import type { PostureProvider } from '../posture/posture-provider.ts';
import type { Credentials } from '../state/credentials.ts';
import type { SignInWish } from '../sign-in/sign-in.ts';
import type { SessionCache } from '../state/session-cache.ts';
import { fullJitter, reconnectLimits, refusedLimits, slowJitter } from './backoff.ts';
import type { Random } from './backoff.ts';
import { createConfigKeeper } from './config-keeper.ts';
import type { ConfigKeeper } from './config-keeper.ts';
import { classifyFailure, stateOfRefusal } from './failure.ts';
import type { CarrierState, Failure } from './failure.ts';
import { establishSession } from './establish.ts';
import type { GatewaySession } from './gateway-session.ts';
import { createIdentity } from './identity.ts';
import type { Identity } from './identity.ts';
import { createSessionSet } from './session-set.ts';
import { recoverToken } from './recover-token.ts';
import type { Recovery } from './recover-token.ts';
import { runUpkeep } from './upkeep.ts';

export interface CarrierOptions {
  readonly api: DeviceApi;
  readonly device: string;
  readonly domain: string;
  readonly credentials: Credentials;
  readonly cached: SessionCache | undefined;
  readonly posture: PostureProvider;
  /** What is kept of the user's sign-in, as it is now. */
  readonly signIn: () => string | undefined;
  /** Called whenever something was refused for want of one, or of a better one. */
  readonly onSignInNeeded: (wish: SignInWish) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly timings?: Partial<CarrierTimings>;
  /** Keeps what a restart may use. */
  readonly save: (cache: SessionCache) => void;
  /** Keeps the renewed certificate before it is used. */
  readonly saveCertificate: (credentials: Credentials) => void;
  readonly onState: (view: CarrierView) => void;
}

export interface CarrierTimings {
  readonly connectTimeoutMs: number;
  readonly pingIntervalMs: number;
  readonly pingTimeoutMs: number;
}
const defaultTimings: CarrierTimings = {
  connectTimeoutMs: 10_000,
  pingIntervalMs: 15_000,
  pingTimeoutMs: 10_000,
};

/** A session that lived this long was a good one: the next loss starts again with a short wait. */
const stableSeconds = 10;

export interface Refused extends PeerProblem {
  /** Epoch milliseconds. */
  readonly at: number;
}

export interface CarrierView {
  readonly state: CarrierState;
  /** Why, where the state is not `connected`. */
  readonly reason?: string;
  readonly gateway?: { readonly name: string; readonly address: string; readonly since: number };
  /** Epoch seconds. */
  readonly tokenExpiresAt?: number;
  readonly certificateExpiresAt: number;
  readonly lastRefusal?: Refused;
}

/** Holds the way to the gateway open, and says how it is. */
export interface Carrier {
  readonly config: ConfigKeeper;
  view(): CarrierView;
  /** The session for a new flow, waited for; undefined when there is none in time or none to be hoped for. */
  session(limitMs: number): Promise<GatewaySession | undefined>;
  /** The gateway refused a flow for its token: finds out whether the session's token ended, and mends that. */
  recover(session: GatewaySession): Promise<Recovery>;
  /** Someone signed in: what waited for that goes on at once. */
  signedIn(): void;
  /** The user signed out: what was had for them is of no use any more, and is let go. */
  signedOut(): void;
  /** Tries again now instead of when its turn comes; a session that is there carries on until another is. */
  reconnect(): void;
  /** For `status`: the gateway refused this. */
  noteRefusal(problem: PeerProblem): void;
  /** Connects and stays connected until the signal aborts; then ends all sessions. */
  run(signal: AbortSignal): Promise<void>;
}

export function createCarrier(options: CarrierOptions): Carrier {
  const { api, clock, log, random } = options;
  const timings = { ...defaultTimings, ...options.timings };
  let stopping: AbortSignal = new AbortController().signal;
  let state: CarrierState = 'connecting';
  let failure: Failure | undefined;
  let lastRefusal: Refused | undefined;
  let rotation = Promise.withResolvers<void>();
  let wake = (): void => {};

  const sessions = createSessionSet((session) => {
    log.info({ gateway: session.address }, 'gateway session ended');
    if (state === 'connected' && sessions.current() === undefined) setState('connecting');
  });
  const save = (): void => {
    const known = config.current();
    if (known === undefined) return;
    const token = identity.tokens.toCache();
    try {
      options.save(token === undefined ? { config: known } : { config: known, token });
    } catch (error) {
      log.warn({ reason: describeError(error) }, 'state directory cannot be written');
    }
  };
  const identityOptions = {
    ...options,
    onToken: () => {
      save();
      wake();
    },
  };
  let identity: Identity = createIdentity(identityOptions, options.credentials, options.cached?.token);
  /** The current one first; older ones as long as sessions of theirs carry flows. */
  let identities: readonly Identity[] = [identity];

  const config = createConfigKeeper({
    initial: options.cached?.config,
    clock,
    fetch: () => api.fetchConfig(identity.credentials, stopping),
    onChange: (now, before) => {
      save();
      if (before !== undefined && !isSameGateway(now, before)) rotate();
    },
  });

  /** Asks for a new session to take over; the one before carries on until it is there. */
  const rotate = (): void => rotation.resolve();

  const setState = (next: CarrierState, why?: Failure): void => {
    const isNew = next !== state || why?.reason !== failure?.reason;
    state = next;
    failure = why;
    if (why?.problem !== undefined) noteRefusal(why.problem);
    if (isNew) options.onState(view());
  };
  const noteRefusal = (problem: PeerProblem): void => {
    lastRefusal = { ...problem, at: clock.now() };
  };
  const note = (error: unknown, message: string): Failure => {
    const found = classifyFailure(error, identity.isExpired());
    log.warn({ state: found.state, reason: found.reason, code: found.problem?.code }, message);
    if (found.state === 'sign-in-required') options.onSignInNeeded({});
    return found;
  };

  const view = (): CarrierView => {
    const session = sessions.current();
    const token = identity.tokens.held();
    return {
      state,
      ...(failure === undefined ? {} : { reason: failure.reason }),
      ...(session === undefined
        ? {}
        : { gateway: { name: session.name, address: session.address, since: session.since } }),
      ...(token === undefined ? {} : { tokenExpiresAt: token.expiresAt }),
      certificateExpiresAt: identity.credentials.notAfter,
      ...(lastRefusal === undefined ? {} : { lastRefusal }),
    };
  };

  /** A certificate that was renewed meanwhile may be what the next attempt needs. */
  const sleepUntilRotation = (ms: number, signal: AbortSignal): Promise<void> => {
    const rotated = new AbortController();
    void rotation.promise.then(() => rotated.abort());
    return clock.sleep(ms, AbortSignal.any([signal, rotated.signal]));
  };

  /** One session after the other, for ever. */
  const maintain = async (signal: AbortSignal): Promise<void> => {
    const aborted = new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    let attempt = 0;
    while (!signal.aborted) {
      let waitMs: number;
      try {
        // What is asked for from here on may come too late for this session, and makes another.
        rotation = Promise.withResolvers();
        if (identity.isExpired()) {
          // No gateway would have it. The control plane renews it, back from a holiday, or says why it does not.
          await renewOnce();
          rotation = Promise.withResolvers();
        }
        const options = { config, identity, clock, connectTimeoutMs: timings.connectTimeoutMs, signal };
        const session = await establishSession(options, attempt > 0);
        sessions.adopt(session);
        // Its token may be of before: what changed while there was no session counts from now on.
        looking ??= lookAtPosture();
        wake();
        log.info({ gateway: session.address }, 'gateway session ready');
        setState('connected');
        const lived = startStopwatch(clock);
        const rotated = rotation.promise.then(() => true);
        const isRotation = await Promise.race([session.leaving.then(() => false), rotated, aborted]);
        attempt = isRotation === true || lived() >= stableSeconds ? 0 : attempt + 1;
        waitMs = isRotation === true ? 0 : fullJitter(attempt, reconnectLimits, random);
        if (isRotation !== true && !signal.aborted) setState('connecting');
      } catch (error) {
        if (signal.aborted) break;
        const found = note(error, 'no gateway session');
        // An older session may still carry flows while its successor cannot be made.
        if (sessions.current() === undefined) setState(found.state, found);
        waitMs = found.slow
          ? slowJitter(attempt, refusedLimits, random)
          : fullJitter(attempt, reconnectLimits, random);
        attempt += 1;
      }
      if (waitMs > 0) await sleepUntilRotation(waitMs, signal);
    }
  };

  const refreshToken = async (of: Identity): Promise<void> => {
    try {
      const token = await of.tokens.fetch(stopping);
      const own = sessions.all().filter((session) => session.credentials === of.credentials);
      for (const session of own) {
        const answer = await session.probe(token.value).catch(() => undefined);
        // Gone: the other loop sees to it.
        if (answer === undefined) continue;
        if (answer.ok) {
          if (session === sessions.current()) setState('connected');
          continue;
        }
        of.tokens.postpone();
        const { problem } = answer;
        log.warn({ code: problem.code }, 'fresh token refused');
        setState(stateOfRefusal(problem), {
          state: 'refused',
          reason: problem.title,
          problem,
          slow: false,
        });
      }
      if (of === identity) await config.refresh();
    } catch (error) {
      // What is in hand serves until it ends; the gateway sees to that.
      const found = note(error, 'token or configuration not refreshed');
      if (found.problem !== undefined) noteRefusal(found.problem);
    }
  };

  /** A laptop that got worse says so at once, and not when its token falls due. One look at a time. */
  let looking: Promise<void> | undefined;
  const lookAtPosture = async (): Promise<void> => {
    try {
      const { checks } = (await options.posture.measure()).report();
      const changed = inUse().filter(({ tokens }) => !tokens.standsFor(checks));
      for (const { tokens } of changed) tokens.expedite();
      if (changed.length > 0) wake();
    } catch (error) {
      log.warn({ reason: describeError(error) }, 'posture not measured');
    } finally {
      looking = undefined;
    }
  };

  const renewNow = async (): Promise<void> => {
    try {
      const renewed = await identity.renewal.attempt(options.saveCertificate, stopping);
      const { credentials, isLate } = renewed;
      identity = createIdentity(identityOptions, credentials);
      identities = [identity, ...identities];
      log.info({ notAfter: credentials.notAfter, isLate }, 'certificate renewed');
      rotate();
    } finally {
      renewing = undefined;
    }
  };
  let renewing: Promise<void> | undefined;
  /** Both loops may find it due; one attempt serves them. */
  const renewOnce = (): Promise<void> => (renewing ??= renewNow());

  const renew = async (): Promise<void> => {
    try {
      await renewOnce();
    } catch (error) {
      const found = note(error, 'certificate not renewed');
      if (found.problem !== undefined) noteRefusal(found.problem);
    }
  };

  /** Without a session there is nothing to keep alive: the next one fetches what it needs. */
  const inUse = (): readonly Identity[] => {
    const used = new Set(sessions.all().map((session) => session.credentials));
    return identities.filter((one) => used.has(one.credentials));
  };
  const dropUnused = (): void => {
    const used = new Set(sessions.all().map((session) => session.credentials));
    identities = identities.filter((one) => one === identity || used.has(one.credentials));
  };

  return {
    config,
    view,
    noteRefusal: (problem) => {
      noteRefusal(problem);
      // A policy asks for more than the sign-in at hand (RFC 9470). An application could say the same: all that comes of
      // it is that the user is asked, once.
      if (problem.code === 'sign-in-required' || problem.code === 'mfa-required')
        options.onSignInNeeded({ fresh: true, mfa: problem.code === 'mfa-required' });
    },
    session: async (limitMs) => {
      const isHopeless = failure?.slow === true && sessions.current() === undefined;
      return isHopeless ? undefined : sessions.wait(clock, limitMs, stopping);
    },
    signedIn: () => {
      if (sessions.current() === undefined) rotate();
      if (failure?.state === 'sign-in-required') failure = undefined;
      for (const one of identities) one.tokens.expedite();
      wake();
    },
    reconnect: rotate,
    signedOut: () => {
      for (const one of identities) one.tokens.forget();
      sessions.endAll();
      save();
    },
    recover: (session) => {
      const own = identities.find((one) => one.credentials === session.credentials);
      return recoverToken(session, own?.tokens, stopping, (error) => {
        const found = note(error, 'token not recovered');
        if (found.state === 'sign-in-required') setState(found.state, found);
      });
    },
    run: async (signal) => {
      stopping = signal;
      const upkeep = runUpkeep({
        clock,
        signal,
        pingIntervalMs: timings.pingIntervalMs,
        renewal: () => identity.renewal,
        inUse,
        ping: () => {
          dropUnused();
          for (const session of sessions.all()) void session.checkAlive(timings.pingTimeoutMs);
        },
        refreshToken,
        renew,
        onWake: (wakeUp) => (wake = wakeUp),
      });
      const watching = options.posture.watch(() => {
        if (inUse().length > 0) looking ??= lookAtPosture();
      }, signal);
      await Promise.all([maintain(signal), upkeep, watching]);
      sessions.endAll();
      setState('stopped');
    },
  };
}

const isSameGateway = (a: AgentConfig, b: AgentConfig): boolean =>
  a.gateway.name === b.gateway.name && a.gateway.addresses.join(' ') === b.gateway.addresses.join(' ');
