import type { Logger } from 'pino';
import { describeError } from '../agent-error.ts';
import type { Clock } from '../clock.ts';
import type { DeviceApi } from '../control/device-api.ts';
import type { PeerProblem } from '../control/problem.ts';
import type { PostureProvider } from '../posture/posture-provider.ts';
import type { SignInWish } from '../sign-in/sign-in.ts';
import type { Credentials } from '../state/credentials.ts';
import type { SessionCache } from '../state/session-cache.ts';
import type { Random } from './backoff.ts';
import { createPostureAnswer } from './answer-posture.ts';
import type { CarrierView, GatewayView } from './carrier-view.ts';
import { createConfigKeeper } from './config-keeper.ts';
import type { ConfigKeeper } from './config-keeper.ts';
import { establishSession } from './establish.ts';
import type { GatewaySession } from './gateway-session.ts';
import { createGatewayRanking, gatewaysOf, leadsTo } from './gateways.ts';
import { createIdentities } from './identities.ts';
import type { Identities } from './identities.ts';
import { keepCurrent } from './keep-current.ts';
import { dropIdleLanes, keepLanes } from './keep-lanes.ts';
import { keepStandby } from './keep-standby.ts';
import type { Keeping } from './keeping.ts';
import { systemAddresses, watchNetwork } from './network-watch.ts';
import type { LocalAddresses } from './network-watch.ts';
import { createPostureLook } from './posture-look.ts';
import { createPulse } from './pulse.ts';
import { createPathRecovery } from './recover-path.ts';
import { recoverToken } from './recover-token.ts';
import type { Recovery } from './recover-token.ts';
import { refreshToken } from './refresh-token.ts';
import type { Resolve } from './resolve-host.ts';
import { createSignInRenewal } from './renew-sign-in.ts';
import { createSessionSet } from './session-set.ts';
import { createStateKeeper } from './state-keeper.ts';
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
  /** Epoch seconds at which it ends. */
  readonly signInEndsAt: () => number | undefined;
  /** Called whenever something was refused for want of one, or of a better one. */
  readonly onSignInNeeded: (wish: SignInWish) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly timings?: Partial<CarrierTimings>;
  /** What the laptop has for addresses, and what a name has; of the system where not given. */
  readonly addresses?: LocalAddresses;
  readonly resolve?: Resolve;
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

/** Holds the way to the gateways open, and says how it is. */
export interface Carrier {
  readonly config: ConfigKeeper;
  view(): CarrierView;
  /** The certificate in force. */
  credentials(): Credentials;
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
  let wake = (): void => {};
  const rotation = createPulse();
  const haste = createPulse();
  const ranking = createGatewayRanking(random);

  const sessions = createSessionSet((session) => {
    log.info({ gateway: session.address }, 'gateway session ended');
    if (state.state() === 'connected' && sessions.current() === undefined) state.set('connecting');
  });
  const state = createStateKeeper({
    clock,
    log,
    isCertificateExpired: () => identities.current().isExpired(),
    onSignInNeeded: () => options.onSignInNeeded({}),
    onChange: () => options.onState(view()),
  });
  const save = (): void => {
    const known = config.current();
    if (known === undefined) return;
    const token = identities.current().tokens.toCache();
    try {
      options.save(token === undefined ? { config: known } : { config: known, token });
    } catch (error) {
      log.warn({ reason: describeError(error) }, 'state directory cannot be written');
    }
  };
  const identities: Identities = createIdentities({
    identity: {
      ...options,
      onToken: () => {
        save();
        wake();
      },
    },
    credentials: options.credentials,
    cached: options.cached?.token,
    sessions: () => sessions.all(),
    saveCertificate: options.saveCertificate,
    onRenewed: ({ notAfter }, isLate) => {
      log.info({ notAfter, isLate }, 'certificate renewed');
      rotation.beat();
    },
  });
  const config = createConfigKeeper({
    initial: options.cached?.config,
    clock,
    fetch: () => api.fetchConfig(identities.current().credentials, stopping),
    onChange: (now) => {
      save();
      const current = sessions.current();
      const isListed = current === undefined || gatewaysOf(now).some((gateway) => leadsTo(current, gateway));
      if (!isListed) rotation.beat();
      sessions.changed.beat();
    },
  });
  const recovery = createPathRecovery({
    sessions,
    clock,
    random,
    rotation,
    haste,
    log,
    pingTimeoutMs: timings.pingTimeoutMs,
    signal: () => stopping,
  });
  const keepingUntil = (signal: AbortSignal): Keeping => ({
    sessions,
    state,
    identities,
    config,
    clock,
    random,
    log,
    signal,
    rotation,
    haste,
    onSession: () => {
      // Its token may be of before: what changed while there was no session counts from now on.
      lookAtPosture();
      wake();
    },
    establish: (lookAgain, choose) =>
      establishSession(
        {
          config,
          identity: identities.current(),
          ranking,
          clock,
          connectTimeoutMs: timings.connectTimeoutMs,
          signal,
          ...(options.resolve === undefined ? {} : { resolve: options.resolve }),
          watch: {
            onSilence: recovery.onSilence,
            onBulk: () => sessions.crowding.beat(),
            onPostureAsked: answerPosture,
          },
        },
        lookAgain,
        choose,
      ),
  });
  const lookAtPosture = createPostureLook({
    posture: options.posture,
    log,
    inUse: () => identities.inUse(),
    onChange: () => wake(),
  });

  const answerPosture = createPostureAnswer({
    clock,
    inUse: () => identities.inUse(),
    onDue: () => wake(),
    signal: () => stopping,
  });

  const describe = ({ name, address, zone, since }: GatewaySession): GatewayView => ({
    name,
    address,
    ...(zone === undefined ? {} : { zone }),
    since,
  });
  const view = (): CarrierView => {
    const [session, standby] = [sessions.current(), sessions.standby()];
    const { credentials, tokens } = identities.current();
    const [failure, token, lastRefusal] = [state.failure(), tokens.held(), state.lastRefusal()];
    return {
      state: state.state(),
      ...(failure === undefined ? {} : { reason: failure.reason }),
      ...(session === undefined ? {} : { gateway: describe(session) }),
      ...(standby === undefined ? {} : { standby: describe(standby) }),
      ...(token === undefined ? {} : { tokenExpiresAt: token.expiresAt }),
      certificateExpiresAt: credentials.notAfter,
      ...(lastRefusal === undefined ? {} : { lastRefusal }),
    };
  };
  const renew = async (): Promise<void> => {
    try {
      await identities.renew(stopping);
    } catch (error) {
      const found = state.note(error, 'certificate not renewed');
      if (found.problem !== undefined) state.noteRefusal(found.problem);
    }
  };

  return {
    config,
    view,
    credentials: () => identities.current().credentials,
    noteRefusal: (problem) => {
      state.noteRefusal(problem);
      // A policy asks for more than the sign-in at hand (RFC 9470). An application could say the same: all that comes of
      // it is that the user is asked, once.
      if (problem.code === 'sign-in-required' || problem.code === 'mfa-required')
        options.onSignInNeeded({ fresh: true, mfa: problem.code === 'mfa-required' });
    },
    session: async (limitMs) => {
      const isHopeless = state.failure()?.slow === true && sessions.current() === undefined;
      return isHopeless ? undefined : sessions.forFlow(clock, limitMs, stopping);
    },
    signedIn: () => {
      if (sessions.current() === undefined) rotation.beat();
      state.clear('sign-in-required');
      for (const one of identities.all()) one.tokens.expedite();
      wake();
    },
    reconnect: () => rotation.beat(),
    signedOut: () => {
      for (const one of identities.all()) one.tokens.forget();
      sessions.endAll();
      save();
    },
    recover: (session) =>
      recoverToken(session, identities.of(session)?.tokens, stopping, (error) => {
        const found = state.note(error, 'token not recovered');
        if (found.state === 'sign-in-required') state.set(found.state, found);
      }),
    run: async (signal) => {
      // Nobody would tell those below of an end that came before them.
      if (signal.aborted) return;
      stopping = signal;
      const keeping = keepingUntil(signal);
      const stop = (): void => {
        sessions.changed.beat();
        sessions.crowding.beat();
      };
      signal.addEventListener('abort', stop, { once: true });
      const renewSignIn = createSignInRenewal({
        clock,
        endsAt: options.signInEndsAt,
        hasFlows: () => sessions.all().some((session) => session.openFlows() > 0),
        ask: () => options.onSignInNeeded({}),
      });
      renewSignIn();
      const upkeep = runUpkeep({
        clock,
        signal,
        pingIntervalMs: timings.pingIntervalMs,
        renewal: () => identities.current().renewal,
        inUse: () => identities.inUse(),
        ping: () => {
          identities.dropUnused();
          for (const session of sessions.all()) void session.checkAlive(timings.pingTimeoutMs);
          dropIdleLanes(keeping);
          recovery.preferNearer();
          renewSignIn();
        },
        refreshToken: (identity) => refreshToken(keeping, identity, signal),
        renew,
        onWake: (wakeUp) => (wake = wakeUp),
      });
      const addresses = options.addresses ?? systemAddresses;
      const network = watchNetwork({
        clock,
        signal,
        addresses,
        onNetworkChange: (now) => recovery.onUpheaval(now),
        onTimeJump: () => {
          recovery.onUpheaval(addresses());
          wake();
        },
      });
      await Promise.all([
        keepCurrent(keeping),
        keepStandby(keeping),
        keepLanes(keeping),
        upkeep,
        network,
        options.posture.watch(lookAtPosture, signal),
      ]);
      sessions.endAll();
      state.set('stopped');
    },
  };
}
