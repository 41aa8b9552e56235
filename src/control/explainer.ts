import type { ControlState } from '../domain/control-state.ts';
import { createPolicyEngine } from '../policy/engine.ts';
import type { PolicyEngine } from '../policy/engine.ts';

/** Explains decisions over the newest state. */
export interface Explainer extends Pick<PolicyEngine, 'explain'> {
  /** The state has moved. */
  outdate(): void;
}

/**
 * Policies are compiled when somebody asks why, and not at each change: the control process judges no flow, and
 * compiling thousands of policies would hold up its start.
 */
export function createExplainer(state: ControlState): Explainer {
  const engine = createPolicyEngine();
  let isOutdated = true;
  return {
    outdate() {
      isOutdated = true;
    },
    explain(facts) {
      if (isOutdated) engine.load(state);
      isOutdated = false;
      return engine.explain(facts);
    },
  };
}
