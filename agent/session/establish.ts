import type { Clock } from '../clock.ts';
import type { ConfigKeeper } from './config-keeper.ts';
import { GatewayRefused } from './failure.ts';
import { openGatewaySession } from './gateway-session.ts';
import type { GatewaySession } from './gateway-session.ts';
import type { Identity } from './identity.ts';

export interface EstablishOptions {
  readonly config: ConfigKeeper;
  readonly identity: Identity;
  readonly clock: Clock;
  readonly connectTimeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Makes a session that the gateway has said it will carry flows on. What is in hand (configuration, token) is used, so
 * that it works without the control plane. With `lookAgain`, after a failure, the control plane is asked beside it: it
 * may know other addresses, and it can say plainly what a refused handshake does not.
 * @throws what the control plane's API throws, GatewayRefused, or the error of the connection.
 */
export async function establishSession(
  options: EstablishOptions,
  lookAgain: boolean,
): Promise<GatewaySession> {
  const { config, identity, signal } = options;
  const known = config.current() ?? (await config.refresh());
  const second = lookAgain
    ? config.refresh().then(
        () => undefined,
        (error: unknown) => error,
      )
    : undefined;
  try {
    return await connectAndProve(options, known.gateway);
  } catch (error) {
    const said = await second;
    // A gateway that refuses the certificate just closes; the control plane's word is the better one then.
    throw isRefusal(said) && !isRefusal(error) ? said : error;
  }

  async function connectAndProve(
    { clock, connectTimeoutMs }: EstablishOptions,
    gateway: { readonly name: string; readonly addresses: readonly string[] },
  ): Promise<GatewaySession> {
    const { credentials, tokens } = identity;
    const token = tokens.held() ?? (await tokens.fetch(signal));
    const session = await openGatewaySession({
      ...gateway,
      credentials,
      timeoutMs: connectTimeoutMs,
      now: () => clock.now(),
      signal,
    });
    try {
      let answer = await session.probe(token.value);
      // It may have ended on the way, or its key was retired: one fresh one, and no more.
      if (!answer.ok && answer.problem.status === 401) {
        answer = await session.probe((await tokens.fetch(signal)).value);
      }
      if (answer.ok) return session;
      throw new GatewayRefused(answer.problem);
    } catch (error) {
      session.end();
      throw error;
    }
  }
}

const isRefusal = (error: unknown): boolean => error instanceof Error && 'problem' in error;
