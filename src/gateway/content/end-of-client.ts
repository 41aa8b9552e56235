import type { Flow } from '../flow.ts';
import type { Gateway } from '../gateway.ts';

/** The client left while its request was looked at: that is on record, and nobody is told anything any more. */
export function endOfClient(flow: Flow, { record, grants }: Gateway): undefined {
  record.request(flow, 'client');
  if (flow.grant !== undefined) grants.close(flow.grant);
  flow.exchange.abort();
}
