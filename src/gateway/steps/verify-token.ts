import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import type { ClientConnection } from '../listener/client-connection.ts';
import type { Flow } from '../flow.ts';
import type { Gateway } from '../gateway.ts';
import { untilOnDisk } from '../records/until-on-disk.ts';
import { refuseEnded } from './refuse-ended.ts';
import { verifyBrowser } from './verify-browser.ts';

const bearer = /^bearer +([^\s]+) *$/i;

/**
 * The session token of the connection. One in the request sets or renews it; an equal one costs a comparison; one that
 * is not valid refuses the request whatever came before it. Without one the connection's token stands, while it lasts.
 */
export function verifyToken(
  flow: Flow,
  gateway: Gateway,
): Refusal | undefined | Promise<Refusal | undefined> {
  const { connection, tunnel } = flow.exchange;
  // Inside a tunnel the field is between the client and the application's own idea of a proxy: it is dropped unread.
  const raw = tunnel === undefined ? flow.head?.proxyAuthorization : undefined;
  // A browser without an agent; what says Proxy-Authorization, now or before, is none.
  if (raw === undefined && tunnel === undefined && connection.session === undefined) {
    const result = verifyBrowser(flow, gateway);
    if (result !== 'no-browser') return result;
  }
  if (raw === undefined || raw === connection.session?.raw) return useSession(flow, gateway);
  const verification = verify(connection, raw, flow, gateway);
  return verification.then((refusal) => refusal ?? useSession(flow, gateway));
}

/**
 * A token that came inside a tunnel takes the place of the connection's, as one on a request would. @returns why it does
 * not; the tunnel ends with that.
 */
export async function renewToken(token: string, flow: Flow, gateway: Gateway): Promise<Refusal | undefined> {
  const { connection } = flow.exchange;
  const raw = `Bearer ${token}`;
  return raw === connection.session?.raw ? undefined : verify(connection, raw, flow, gateway);
}

function useSession(flow: Flow, gateway: Gateway): Refusal | undefined {
  const { session } = flow.exchange.connection;
  if (session === undefined) return refuse('token-missing');
  const { token } = session.subject;
  if (token.expiresAt <= gateway.nowSeconds())
    return refuse('token-expired', `expired at ${token.expiresAt}`);
  const ended = refuseEnded(token, gateway);
  if (ended !== undefined) return ended;
  flow.subject = session.subject;
  return undefined;
}

function verify(
  connection: ClientConnection,
  raw: string,
  flow: Flow,
  gateway: Gateway,
): Promise<Refusal | undefined> {
  // The streams of a new session come together: one verification serves all that show the same token.
  if (connection.verifying?.raw === raw) return connection.verifying.result;
  const result = acceptToken(connection, raw, flow, gateway).finally(() => {
    if (connection.verifying?.result === result) connection.verifying = undefined;
  });
  connection.verifying = { raw, result };
  return result;
}

async function acceptToken(
  connection: ClientConnection,
  raw: string,
  flow: Flow,
  gateway: Gateway,
): Promise<Refusal | undefined> {
  const match = bearer.exec(raw);
  const { certificate } = connection;
  const token =
    match === null
      ? refuse('token-malformed', 'Proxy-Authorization is not Bearer')
      : await gateway.verifyToken(match[1] ?? '', certificate.thumbprint, gateway.nowSeconds());
  const refusal = 'code' in token ? token : refuseEnded(token, gateway);
  if ('code' in token || refusal !== undefined) {
    gateway.record.token(flow, refusal);
    return refusal;
  }
  const subject = { certificate, token };
  flow.subject = subject;
  gateway.record.token(flow, undefined);
  const unrecorded = await untilOnDisk(gateway);
  if (unrecorded !== undefined) return unrecorded;
  connection.session = { raw, subject };
  gateway.record.session(connection);
  gateway.grants.renew(connection, subject);
  return undefined;
}
