import { refuse } from '../contract/refusals.ts';
import type { Refusal } from '../contract/refusals.ts';
import type { Subject } from '../domain/subject.ts';
import { answerBody } from './answer.ts';
import type { Exchange } from './exchange.ts';
import { pathOf } from './exchange.ts';
import type { GatewayCore } from './gateway-core.ts';

/**
 * What the gateway answers itself, on its own name, to those it knows: the keys that applications verify assertions
 * with, and a probe through the real path for the agent's `status`.
 */
export function answerOwnResource(
  core: GatewayCore,
  exchange: Exchange,
  subject: Subject,
  refused: (refusal: Refusal) => void,
): void {
  if (exchange.method !== 'GET') return refused(refuse('method-not-allowed'));
  switch (pathOf(exchange.target)) {
    case '/.well-known/postern/jwks.json': {
      const keys = [...core.state.signingKeys.values()]
        .filter(({ use }) => use === 'assertion')
        .map(({ kid, jwk }) => ({ ...jwk, kid, use: 'sig', alg: 'ES256' }));
      return answerBody(core, exchange, JSON.stringify({ keys }));
    }
    case '/.well-known/postern/status': {
      const { device, user, expiresAt } = subject.token;
      const state = core.state.devices.get(subject.certificate.device)?.state;
      if (state === undefined) return refused(refuse('device-unknown'));
      if (expiresAt * 1000 <= exchange.startedAt) return refused(refuse('token-expired'));
      return answerBody(core, exchange, JSON.stringify({ device, user, state, tokenExpiresAt: expiresAt }));
    }
    default:
      return refused(refuse('not-found'));
  }
}
