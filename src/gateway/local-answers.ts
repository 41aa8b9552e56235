import { buildJwks } from '../identity/signing-keys.ts';
import type { Flow } from './flow.ts';
import type { Gateway } from './gateway.ts';

/** What the gateway answers itself, to those whom it has authenticated: its public keys, and how the session is. */
export function answerLocally(flow: Flow, gateway: Gateway, what: 'status' | 'jwks'): void {
  const { exchange } = flow;
  const body = Buffer.from(JSON.stringify(what === 'jwks' ? keysOf(gateway) : statusOf(flow)));
  flow.status = 200;
  flow.bytesOut = exchange.method === 'HEAD' ? 0 : body.length;
  gateway.record.request(flow, 'gateway');
  gateway.record.afterWritten(
    () => {
      exchange.sendHead(200, '', [
        'content-type',
        what === 'jwks' ? 'application/jwk-set+json' : 'application/json',
        'content-length',
        String(body.length),
        'cache-control',
        what === 'jwks' ? 'max-age=300' : 'no-store',
      ]);
      exchange.sendEnd(exchange.method === 'HEAD' ? undefined : body);
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
