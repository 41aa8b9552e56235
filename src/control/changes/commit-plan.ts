import type { FastifyRequest } from 'fastify';
import type { ApplyResponse } from '../../contract/control-api.ts';
import type { ControlState } from '../../domain/control-state.ts';
import { commitChange } from './commit-change.ts';
import type { ControlParts } from '../api/control-parts.ts';
import { planAnswer } from './plan-answer.ts';
import type { Plan } from './plan-resources.ts';
import { actorOf } from '../api/require-administrator.ts';

/**
 * Makes a plan against the newest state and carries it out, or lets it wait for a second administrator; answers what
 * became of it. `done` is the log's message. @throws GatewayError for a refusal
 */
export async function commitPlan(
  parts: ControlParts,
  request: FastifyRequest,
  plan: (state: ControlState) => Plan,
  done: string,
): Promise<ApplyResponse> {
  const actor = actorOf(request);
  const committed = await commitChange(parts, actor, (state) => {
    const planned = plan(state);
    return { events: planned.events, value: planned };
  });
  const { value, waiting } = committed.value;
  if (waiting === undefined) {
    const { enforcedInMs, workersPending } = committed;
    request.log.info({ actor, events: value.events.length, enforcedInMs, workersPending }, done);
  } else request.log.info({ actor, change: waiting.id }, 'change proposed');
  return planAnswer(waiting === undefined, value, parts.store.state.head, waiting);
}
