import type { Refusal } from '../../contract/refusals.ts';
import type { Flow } from '../flow.ts';
import type { Gateway } from '../gateway.ts';
import { inspectContent } from '../content/inspect-content.ts';
import { isWafReady, inspectByRules } from '../waf/inspect-by-rules.ts';

/**
 * Has looked at what the application asks to be looked at. One that asks for what this gateway does not have is not reached
 * at all: an application that is to be inspected is never reached uninspected.
 */
export function inspect(flow: Flow, gateway: Gateway): Refusal | undefined | Promise<Refusal | undefined> {
  const { app, local } = flow;
  if (app === undefined || (local !== undefined && local !== 'probe')) return undefined;
  const plan = gateway.inspectionOf(app);
  if (plan === undefined) return undefined;
  if (plan.refusal !== undefined) return plan.refusal;
  const { content, hasRules } = plan;
  if (local === 'probe') {
    for (const kind of content) {
      const problem = kind.problem(app);
      if (problem !== undefined) return problem;
    }
    return hasRules ? isWafReady(app, gateway) : undefined;
  }
  // Of a tunnel to an HTTP application each request is a flow of its own.
  if (flow.method === 'CONNECT') return undefined;
  if (!hasRules) return content.length === 0 ? undefined : inspectContent(flow, gateway, app, content);
  return content.length === 0
    ? inspectByRules(flow, gateway, app)
    : inspectByRules(flow, gateway, app).then((refusal) =>
        refusal !== undefined || flow.isRecorded ? refusal : inspectContent(flow, gateway, app, content),
      );
}
