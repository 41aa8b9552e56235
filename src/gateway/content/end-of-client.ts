import type { Refusal } from '../../contract/refusals.ts';
import type { Flow } from '../flow.ts';
import type { Gateway } from '../gateway.ts';

/** The client left while its request was looked at: that is on record, and nobody is told anything any more. */
export function endOfClient(flow: Flow, { record, grants }: Gateway): undefined {
  record.request(flow, 'client');
  if (flow.grant !== undefined) grants.close(flow.grant);
  flow.exchange.abort();
}

/**
 * While a body is held nobody carries its flow yet: what ends it, the client or what let it in, ends it here and at once,
 * whoever is waited for.
 * @returns whether it goes on.
 */
export function goesOnWhileHeld(flow: Flow, gateway: Gateway): boolean {
  const { exchange, grant } = flow;
  exchange.onClose(() => endOfClient(flow, gateway));
  if (grant === undefined) return true;
  grant.cut = (refusal) => endInHold(flow, gateway, refusal);
  if (grant.ended !== undefined) endInHold(flow, gateway, grant.ended);
  return grant.ended === undefined;
}

/** What let the flow in does so no longer. */
function endInHold(flow: Flow, { record, grants }: Gateway, refusal: Refusal): void {
  record.request(flow, 'gateway', refusal);
  if (flow.grant !== undefined) grants.close(flow.grant);
  flow.exchange.abort();
}
