import { formatSessionCookie } from '../../contract/session-cookie.ts';
import { buildJwks } from '../../identity/signing-keys.ts';
import { answerWithJson } from './answer-json.ts';
import type { Flow } from '../flow.ts';
import type { Gateway } from '../gateway.ts';

/** What the gateway answers itself, to those whom it has authenticated: its public keys, and how the session is. */
export function answerLocally(
  flow: Flow,
  gateway: Gateway,
  what: Exclude<Flow['local'], 'probe' | undefined>,
): void {
  if (what === 'signed-in') return answerSignedIn(flow, gateway);
  if (what === 'status') return answerWithJson(flow, gateway, statusOf(flow));
  answerWithJson(flow, gateway, keysOf(gateway), {
    type: 'application/jwk-set+json',
    cacheControl: 'max-age=300',
  });
}

/** Gives the browser its cookie, and sends it where it wanted to go in the first place: on this host, always. */
function answerSignedIn(flow: Flow, gateway: Gateway): void {
  const { exchange, head, handedOver } = flow;
  if (handedOver === undefined || head === undefined) throw new TypeError('nothing was handed over');
  const { cookie, maxAgeSeconds, to } = handedOver;
  flow.status = 303;
  gateway.record.request(flow, 'gateway');
  gateway.record.afterWritten(
    () => {
      exchange.sendHead(303, '', [
        'location',
        `https://${head.authority}${to}`,
        'set-cookie',
        formatSessionCookie(cookie, maxAgeSeconds),
        'content-length',
        '0',
        'cache-control',
        'no-store',
        'referrer-policy',
        'no-referrer',
      ]);
      exchange.sendEnd();
    },
    () => exchange.abort(),
  );
}

const keysOf = (gateway: Gateway): object => buildJwks(gateway.state(), 'assertion', gateway.nowSeconds());

/** For the agent's probe: it came all the way through handshake, token and this worker's event loop. */
function statusOf({ subject, exchange }: Flow): object {
  return {
    device: exchange.connection.certificate.device,
    user: subject?.token.user,
    tokenExpiresAt: subject?.token.expiresAt,
    certificateExpiresAt: exchange.connection.certificate.notAfter,
  };
}
