import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import type { Flow } from '../flow.ts';
import type { Gateway } from '../gateway.ts';
import { isWafReady, inspectByRules } from '../waf/inspect-by-rules.ts';

/**
 * Has looked at what the application asks to be looked at. One that asks for what this gateway does not have is not reached
 * at all: an application that is to be inspected is never reached uninspected.
 */
export function inspect(flow: Flow, gateway: Gateway): Refusal | undefined | Promise<Refusal | undefined> {
  const { app, local } = flow;
  if (app?.inspect === undefined || (local !== undefined && local !== 'probe')) return undefined;
  const missing = app.inspect.filter((name) => !gateway.inspections.has(name));
  // Rules are for HTTP. What else an application speaks they do not understand.
  if (app.protocol !== 'http' && app.inspect.includes('waf')) missing.push('waf');
  if (missing.length > 0) return refuse('inspection-unavailable', missing.join(', '));
  if (!app.inspect.includes('waf')) return undefined;
  if (local === 'probe') return isWafReady(app, gateway);
  // Of a tunnel to an HTTP application each request is a flow of its own.
  return flow.method === 'CONNECT' ? undefined : inspectByRules(flow, gateway, app);
}
