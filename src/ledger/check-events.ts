import { refuse } from '../contract/refusals.ts';
import type { Refusal } from '../contract/refusals.ts';
import type { ControlState } from '../domain/control-state.ts';
import type { ControlEvent } from '../domain/events.ts';
import { findContradiction } from './contradiction.ts';
import { checkEventShape } from './event-schema.ts';
import { applyEvent, copyState } from './fold.ts';

/**
 * Why events cannot follow each other in a state, if they cannot; the state stays as it is. What passes here, the fold
 * accepts: a ledger that only this lets into is one that every reader can fold.
 */
export function checkEvents(state: ControlState, events: readonly ControlEvent[]): Refusal | undefined {
  const draft = events.length > 1 ? copyState(state) : state;
  for (const event of events) {
    const malformed = checkEventShape(event);
    if (malformed !== undefined) return refuse('invalid-input', malformed);
    const contradiction = findContradiction(draft, event);
    if (contradiction !== undefined) return contradiction;
    if (draft !== state) applyEvent(draft, event, { at: 0, actor: '' });
  }
  return undefined;
}
