import type { AccessRequest } from '../domain/decision.ts';
import type { Decision } from '../domain/decision.ts';
import type { App } from '../domain/resources.ts';
import type { Subject } from '../domain/subject.ts';
import type { PolicyEngine } from '../policy/engine.ts';
import { splitAuthority } from './choose-application.ts';
import { pathOf } from './exchange.ts';
import type { ClientConnection } from './connection.ts';

/** What a request adds to subject and application, for the decision point. */
export const accessRequest = (
  connection: ClientConnection,
  asked: { readonly method: string; readonly authority: string; readonly target: string },
): AccessRequest => ({
  method: asked.method,
  path: pathOf(asked.target),
  host: splitAuthority(asked.authority).host,
  sourceAddress: connection.facts.source.address,
});

/** Only `decide` judges. */
export const authorize = (
  engine: PolicyEngine,
  subject: Subject,
  app: App,
  request: AccessRequest,
  nowSeconds: number,
): Decision => engine.decide({ subject, app, request, now: nowSeconds });
