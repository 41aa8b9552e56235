import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import type { App } from '../../domain/resources.ts';
import type { ContentInspector } from './content-inspector.ts';

/** What of an application's flows is looked at here. */
export interface InspectionPlan {
  /** Why it is not reached at all: it asks for what this gateway does not have, or for what is there for HTTP alone. */
  readonly refusal: Refusal | undefined;
  readonly hasRules: boolean;
  /** What looks into bodies. */
  readonly content: readonly ContentInspector[];
}

/** Plans, each worked out once for each version of an application; undefined for one that asks for nothing. */
export function createInspectionPlans(
  inspectors: readonly ContentInspector[],
): (app: App) => InspectionPlan | undefined {
  const known = new Set<string>(['waf', ...inspectors.map(({ name }) => name)]);
  const plans = new WeakMap<App, InspectionPlan>();
  return (app) => {
    const asked = app.inspect;
    if (asked === undefined) return undefined;
    let plan = plans.get(app);
    if (plan === undefined) {
      // What else an application speaks than HTTP they do not understand.
      const missing = app.protocol === 'http' ? asked.filter((name) => !known.has(name)) : asked;
      plan = {
        refusal: missing.length === 0 ? undefined : refuse('inspection-unavailable', missing.join(', ')),
        hasRules: asked.includes('waf'),
        content: inspectors.filter(({ name }) => asked.includes(name)),
      };
      plans.set(app, plan);
    }
    return plan;
  };
}
