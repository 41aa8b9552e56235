import type { ControlState } from '../domain/control-state.ts';
import { createPolicyEngine } from '../policy/engine.ts';
import type { PolicyEngine } from '../policy/engine.ts';

/** Decides and explains over the newest state. */
export interface Explainer extends Pick<PolicyEngine, 'explain' | 'decide'> {
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
  const refresh = (): void => {
    if (isOutdated) engine.load(state);
    isOutdated = false;
  };
  return {
    outdate() {
      isOutdated = true;
    },
    decide(facts) {
      refresh();
      return engine.decide(facts);
    },
    explain(facts) {
      refresh();
      return engine.explain(facts);
    },
  };
}
