import type { AgentConfig } from '../../src/contract/control-api.ts';
import { keyFailure } from '../keys/client-context.ts';
import { UntrustedPeer } from '../control/verified-connection.ts';
import type { Clock } from '../clock.ts';
import type { ConfigKeeper } from './config-keeper.ts';
import { GatewayRefused } from './failure.ts';
import type { GatewaySession, SessionOptions } from './gateway-session.ts';
import { targetsOf } from './gateways.ts';
import type { Gateway, GatewayRanking, GatewayTarget } from './gateways.ts';
import { parseHostPort } from './host-port.ts';
import type { Identity } from './identity.ts';
import { openGatewaySession } from './open-session.ts';
import { race } from './race.ts';
import { resolveHost } from './resolve-host.ts';
import type { Resolve } from './resolve-host.ts';

export interface EstablishOptions {
  readonly config: ConfigKeeper;
  readonly identity: Identity;
  readonly ranking: GatewayRanking;
  readonly clock: Clock;
  readonly connectTimeoutMs: number;
  readonly signal: AbortSignal;
  readonly resolve?: Resolve;
  readonly watch: Pick<SessionOptions, 'onSilence' | 'onBulk' | 'onPostureAsked'>;
}

/**
 * Makes a session that the gateway has said it will carry flows on. What is in hand (configuration, token) is used, so
 * that it works without the control plane. With `lookAgain`, after a failure, the control plane is asked beside it: it
 * may know other addresses, and it can say plainly what a refused handshake does not.
 * @throws what the control plane's API throws, GatewayRefused, KeyUnusable, or the error of the connection.
 */
export async function establishSession(
  options: EstablishOptions,
  lookAgain: boolean,
  choose: (config: AgentConfig) => readonly Gateway[],
): Promise<GatewaySession> {
  const { config } = options;
  const known = config.current() ?? (await config.refresh());
  const second = lookAgain
    ? config.refresh().then(
        () => undefined,
        (error: unknown) => error,
      )
    : undefined;
  try {
    return await raceGateways(options, choose(known));
  } catch (error) {
    const said = await second;
    // A gateway that refuses the certificate just closes; the control plane's word is the better one then.
    throw isRefusal(said) && !isRefusal(error) ? said : error;
  }
}

/** The first session that works, of all these gateways at all their addresses; the nearest are tried first. */
export async function raceGateways(
  options: EstablishOptions,
  gateways: readonly Gateway[],
): Promise<GatewaySession> {
  const { clock, identity, ranking, signal } = options;
  // Without one no gateway would carry anything.
  if (identity.tokens.held() === undefined) await identity.tokens.fetch(signal);
  const rules = { clock, discard: (session: GatewaySession) => session.end(), worse: moreTelling };
  const attempts = targetsOf(ranking.order(gateways)).map((target) => async (ending: AbortSignal) => {
    try {
      const hosts = await resolveHost(parseHostPort(target.address)?.host ?? '', options.resolve);
      const ways = hosts.map((host) => (end: AbortSignal) => connectAndProve(options, target, host, end));
      return await race(ways, { ...rules, signal: ending });
    } catch (error) {
      if (!ending.aborted) ranking.noteFailure(target);
      throw error;
    }
  });
  return await race(attempts, { ...rules, signal });
}

async function connectAndProve(
  { clock, connectTimeoutMs, identity, ranking, watch }: EstablishOptions,
  target: GatewayTarget,
  host: string,
  signal: AbortSignal,
): Promise<GatewaySession> {
  const { credentials, tokens } = identity;
  const session = await openGatewaySession({
    ...watch,
    target,
    host,
    credentials,
    timeoutMs: connectTimeoutMs,
    clock,
    signal,
  });
  const giveUp = (): void => session.end();
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    let answer = await session.probe((tokens.held() ?? (await tokens.fetch(signal))).value);
    // It may have ended on the way, or its key was retired: one fresh one, and no more.
    if (!answer.ok && answer.problem.status === 401) {
      answer = await session.probe((await tokens.fetch(signal)).value);
    }
    if (!answer.ok) throw new GatewayRefused(answer.problem);
    void session.answers(connectTimeoutMs).then(() => {
      const ms = session.roundTripMs();
      if (ms !== undefined) ranking.noteRoundTrip(target, ms);
    });
    return session;
  } catch (error) {
    session.end();
    throw keyFailure(credentials, error) ?? error;
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

const isRefusal = (error: unknown): boolean => error instanceof Error && 'problem' in error;

/** A plain no says more than a stranger at the gateway's address, and that more than a silence. */
function moreTelling(a: unknown, b: unknown): unknown {
  const weight = (error: unknown): number => (isRefusal(error) ? 2 : error instanceof UntrustedPeer ? 1 : 0);
  return weight(a) >= weight(b) ? a : b;
}
