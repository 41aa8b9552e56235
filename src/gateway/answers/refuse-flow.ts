import type { Refusal } from '../../contract/refusals.ts';
import { refusals } from '../../contract/refusals.ts';
import type { Flow } from '../flow.ts';
import type { Gateway } from '../gateway.ts';
import { leadToSignIn } from './lead-to-sign-in.ts';
import { answerRefusal } from './refusal-answer.ts';
import { refusalFields } from './refusal-fields.ts';
import { noteInnerChallenge } from '../tunnels/tunnel-challenge.ts';

/** Answers a refusal and records it: the one way in which a request ends without having been forwarded. */
export function refuseFlow(flow: Flow, gateway: Gateway, refusal: Refusal): void {
  const { exchange, head, grant } = flow;
  const { record, grants } = gateway;
  const wishes = { accept: head?.accept, acceptLanguage: head?.acceptLanguage };
  const answer = answerRefusal(
    refusal,
    flow.id,
    wishes,
    publicDetail(flow, refusal),
    leadToSignIn(flow, gateway, refusal),
  );
  if (grant !== undefined) grants.close(grant);
  flow.status = answer.status;
  flow.bytesOut = answer.body.length;
  if (exchange.method === 'CONNECT' || exchange.upgrade !== undefined)
    record.tunnelClosed(flow, 'gateway', refusal);
  else record.request(flow, 'gateway', refusal);
  const more = noteInnerChallenge(flow, refusal);
  const isHead = exchange.method === 'HEAD';
  // What a power cut takes back, nobody was told.
  record.afterSynced(
    () => {
      exchange.sendHead(answer.status, '', [
        ...answer.headers,
        ...more,
        ...refusalFields(refusal.code, flow.id, flow.app?.name),
      ]);
      exchange.sendEnd(isHead ? undefined : answer.body);
    },
    () => exchange.abort(),
  );
}

/** Of a broken application its user learns which, of the network behind it nothing. */
function publicDetail({ app, postureAtFault }: Flow, { code, detail }: Refusal): string | undefined {
  if (refusals[code].status >= 502 && app !== undefined) return `application ${app.name}`;
  if (postureAtFault.length > 0) return `posture ${postureAtFault.join(' ')}`;
  return code === 'header-name' || code === 'header-duplicate' ? detail : undefined;
}
