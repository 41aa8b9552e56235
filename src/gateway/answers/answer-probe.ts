import type { AppProbe } from '../../contract/app-probe.ts';
import type { Refusal } from '../../contract/refusals.ts';
import { answerWithJson } from './answer-json.ts';
import type { Flow } from '../flow.ts';
import type { Gateway } from '../gateway.ts';
import { refuseFlow } from './refuse-flow.ts';
import { refusalOfError } from '../upstream/upstream-failure.ts';

/**
 * Answers a probe that the policies allow, once the connector has a socket to the application. It is one flow like
 * others: on record, and refused when what allowed it ends meanwhile.
 */
export async function answerProbe(flow: Flow, gateway: Gateway): Promise<void> {
  const { app, grant } = flow;
  if (app === undefined || grant === undefined) throw new TypeError('probe was not decided');
  let refusal: Refusal | undefined;
  grant.cut = (reason) => (refusal = reason);
  let datagrams: AppProbe['datagrams'];
  try {
    const reached = await gateway.probes.reach(app);
    ({ datagrams } = reached);
    flow.upstream = reached.dialled;
    flow.upstreamText = reached.text;
  } catch (error) {
    refusal ??= refusalOfError(error, app.name);
  }
  refusal ??= grant.ended;
  if (refusal !== undefined) return refuseFlow(flow, gateway, refusal);
  gateway.grants.close(grant);
  const cut = gateway.cutTunnels.last(flow.exchange.connection, app.name);
  answerWithJson(flow, gateway, {
    app: app.name,
    allowed: true,
    connected: datagrams === undefined,
    ...(datagrams === undefined ? {} : { datagrams }),
    ...(cut === undefined ? {} : { cut }),
  } satisfies AppProbe);
}
