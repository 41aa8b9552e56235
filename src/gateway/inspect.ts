import { refuse } from '../contract/refusals.ts';
import type { Refusal } from '../contract/refusals.ts';
import type { App } from '../domain/resources.ts';

/** An app that asks to be inspected is not reached uninspected: while no inspection runs here, its flows are refused. */
export function inspect(app: App): Refusal | undefined {
  if (app.inspect === undefined || app.inspect.length === 0) return undefined;
  return refuse('inspection-unavailable', app.inspect.join(','));
}
