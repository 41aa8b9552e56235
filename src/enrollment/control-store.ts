import type { Refusal } from '../contract/refusals.ts';
import type { ControlState } from '../domain/control-state.ts';
import type { ControlEvent } from '../domain/events.ts';

/** What a decision over the state leads to: events to append as one unit, and what to answer once they are. */
export interface Change<Value> {
  readonly events: readonly ControlEvent[];
  readonly value: Value;
}

/**
 * Where enrollment keeps its facts. `commit` runs `decide` over the newest state and appends its events only if the
 * state has not moved meanwhile; otherwise it decides again. Two commits can therefore never both use up one token.
 */
export interface ControlStore {
  readonly state: ControlState;
  commit<Value>(
    actor: string,
    decide: (state: ControlState) => Change<Value> | Refusal,
  ): Promise<Value | Refusal>;
}
