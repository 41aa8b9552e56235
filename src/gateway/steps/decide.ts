import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import type { AccessFacts } from '../../domain/decision.ts';
import { findPostureAtFault, requestOfProbe } from '../app-probes.ts';
import { isCarrier, isOnlyPolicy, refusalOfDecision } from '../answers/decision-refusal.ts';
import type { Flow } from '../flow.ts';
import type { Gateway } from '../gateway.ts';

/** Asks the policy engine, with all that it may depend on. What allowed the flow must go on allowing it: its grant. */
export function decide(flow: Flow, gateway: Gateway): Refusal | undefined {
  const { subject, app, head, exchange, local } = flow;
  if (local !== undefined && local !== 'probe') return undefined;
  if (subject === undefined || app === undefined || head === undefined)
    return refuse('internal-error', 'decision without its facts');
  const facts: AccessFacts = {
    subject,
    app,
    request: {
      ...(local === 'probe'
        ? requestOfProbe(app)
        : { method: flow.method, path: head.path, host: head.host }),
      sourceAddress: exchange.connection.facts.source.address,
    },
    now: gateway.nowSeconds(),
  };
  const decision = gateway.engine.decide(facts);
  if (isCarrier(facts) && isOnlyPolicy(decision)) {
    // No access is given and none denied: the requests inside are what is decided on, and recorded with it.
    flow.grant = gateway.grants.open(flow, facts, decision);
    return undefined;
  }
  flow.decision = decision;
  if (decision.effect !== 'allow') {
    // A challenge is mended by signing in, whatever the posture.
    if (local === 'probe' && decision.effect === 'deny')
      flow.postureAtFault = findPostureAtFault(gateway.engine, facts);
    return refusalOfDecision(decision);
  }
  flow.grant = gateway.grants.open(flow, facts, decision);
  return undefined;
}
