import { refuse } from '../contract/refusals.ts';
import type { Refusal } from '../contract/refusals.ts';
import type { Exchange } from './exchange.ts';
import type { Flow } from './flow.ts';
import type { Gateway } from './gateway.ts';
import { refuseFlow } from './answers/refuse-flow.ts';
import { chooseApplication } from './steps/choose-application.ts';
import { decide } from './steps/decide.ts';
import { forward } from './steps/forward.ts';
import { inspect } from './steps/inspect.ts';
import { answerProbe } from './answers/answer-probe.ts';
import { answerLocally } from './answers/local-answers.ts';
import { loadPosture } from './steps/load-posture.ts';
import { readRequest } from './steps/read-request.ts';
import { checkReadiness } from './steps/check-readiness.ts';
import { verifyToken } from './steps/verify-token.ts';

type Step = (flow: Flow, gateway: Gateway) => Refusal | undefined | Promise<Refusal | undefined>;

/**
 * The way of every request, upgrade and tunnel. The device was identified when its connection was made
 * (identify-device.ts) and is looked at again by each decision. There is no way past a step, and no list of exceptions.
 * A step refuses by returning why; forwarding records what came of it (record-flow.ts).
 */
const steps: readonly Step[] = [
  readRequest,
  checkReadiness,
  verifyToken,
  loadPosture,
  chooseApplication,
  decide,
  inspect,
];

/** Leads one exchange to its end. Never throws: what goes wrong inside is a refusal, too. */
export function handleExchange(gateway: Gateway, exchange: Exchange): void {
  walk(gateway.record.begin(exchange), gateway, 0);
}

function walk(flow: Flow, gateway: Gateway, from: number): void {
  try {
    for (let index = from; index < steps.length; index += 1) {
      const result = steps[index]?.(flow, gateway);
      if (result === undefined) continue;
      if (!(result instanceof Promise)) return refuseFlow(flow, gateway, result);
      result
        .then((refusal) => {
          // The client left while somebody worked for it.
          if (flow.isRecorded) return;
          return refusal === undefined ? walk(flow, gateway, index + 1) : refuseFlow(flow, gateway, refusal);
        })
        .catch((error: unknown) => failFlow(flow, gateway, error));
      return;
    }
    carry(flow, gateway);
  } catch (error) {
    failFlow(flow, gateway, error);
  }
}

function carry(flow: Flow, gateway: Gateway): void {
  if (flow.local === 'probe') {
    answerProbe(flow, gateway).catch((error: unknown) => failFlow(flow, gateway, error));
  } else if (flow.local !== undefined) answerLocally(flow, gateway, flow.local);
  else if (flow.method === 'CONNECT') gateway.tunnels.open(flow);
  else forward(flow, gateway);
}

/** Something that should not have happened. It costs the flow, never the worker. */
function failFlow(flow: Flow, gateway: Gateway, error: unknown): void {
  gateway.log.error({ err: error, flow: flow.id }, 'flow failed');
  try {
    refuseFlow(flow, gateway, refuse('internal-error', (error as Error)?.message));
  } catch (again) {
    gateway.log.error({ err: again, flow: flow.id }, 'refusal failed');
    flow.exchange.abort();
  }
}
