import { refuse } from '../contract/refusals.ts';
import type { Refusal } from '../contract/refusals.ts';
import type { App } from '../domain/resources.ts';
import type { Subject } from '../domain/subject.ts';
import { accessRequest, authorize } from './authorize.ts';
import { chooseApplication } from './choose-application.ts';
import type { Exchange } from './exchange.ts';
import type { GatewayCore } from './gateway-core.ts';
import { refusalOf } from './grants.ts';
import { inspect } from './inspect.ts';
import { readRequest } from './read-request.ts';
import { answerOwnResource } from './own-resources.ts';
import { verifyToken } from './verify-token.ts';

/** What stands at the end of the list: an app that this exchange may reach now. */
export interface Admitted {
  readonly subject: Subject;
  readonly app: App;
  readonly grant: { readonly request: ReturnType<typeof accessRequest> };
}

/**
 * The way of every request, in order. Who the device is was settled in the handshake; each step adds what it found to the exchange or
 * refuses, and only `authorize` judges. Then the request is forwarded, and recorded when it ends.
 *
 *   read request, choose application, verify token, decide, inspect, forward, record
 *
 * `next` goes on with an exchange that was let in: forward, or upgrade. Never throws.
 */
export function runPipeline(
  core: GatewayCore,
  exchange: Exchange,
  next: (admitted: Admitted) => void,
  refused: (refusal: Refusal) => void,
): void {
  const unreadable = readRequest(exchange);
  if (unreadable !== undefined) return refused(unreadable);
  if (!core.recorder.healthy()) return refused(refuse('not-ready', 'flow records cannot be written'));

  const nowSeconds = Math.floor(exchange.startedAt / 1000);
  const subject = verifyToken(
    exchange.origin.connection,
    exchange.headers?.authorization,
    core.verifier,
    nowSeconds,
    (accepted) => core.tokenAccepted(exchange, accepted),
  );
  const proceed = (verified: Subject | Refusal): void => {
    // The application is chosen even for one who is not known yet, so that the record has it.
    const destination = chooseApplication(exchange.origin, exchange.authority, core.routes());
    if (!('code' in destination) && destination.kind === 'app') exchange.app = destination.app;
    if ('code' in verified) return refused(verified);
    exchange.subject = verified;
    if ('code' in destination) return refused(destination);
    if (destination.kind === 'gateway') return answerOwnResource(core, exchange, verified, refused);

    const { app } = destination;
    const request = accessRequest(exchange.origin.connection, exchange);
    exchange.decision = authorize(core.engine, verified, app, request, nowSeconds);
    const denied = refusalOf(exchange.decision) ?? inspect(app);
    if (denied !== undefined) return refused(denied);
    next({ subject: verified, app, grant: { request } });
  };
  if (!(subject instanceof Promise)) return proceed(subject);
  subject.then(proceed).catch((error: unknown) => {
    core.log.error({ err: error, flow: exchange.id }, 'request failed');
    refused(refuse('internal-error'));
  });
}
