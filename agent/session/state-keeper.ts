import type { Logger } from 'pino';
import type { Clock } from '../clock.ts';
import type { PeerProblem } from '../control/problem.ts';
import type { Refused } from './carrier-view.ts';
import { classifyFailure } from './failure.ts';
import type { CarrierState, Failure } from './failure.ts';

/** What the carrier believes of itself, in the words that `status` shows. */
export interface StateKeeper {
  state(): CarrierState;
  failure(): Failure | undefined;
  lastRefusal(): Refused | undefined;
  set(state: CarrierState, why?: Failure): void;
  /** What was in the way of this is not any more. */
  clear(state: CarrierState): void;
  noteRefusal(problem: PeerProblem): void;
  /** Logs what went wrong, and says what it means. */
  note(error: unknown, message: string): Failure;
}

export function createStateKeeper(options: {
  readonly clock: Clock;
  readonly log: Logger;
  isCertificateExpired(): boolean;
  onSignInNeeded(): void;
  onChange(): void;
}): StateKeeper {
  let state: CarrierState = 'connecting';
  let failure: Failure | undefined;
  let lastRefusal: Refused | undefined;
  const noteRefusal = (problem: PeerProblem): void => {
    lastRefusal = { ...problem, at: options.clock.now() };
  };
  return {
    state: () => state,
    failure: () => failure,
    lastRefusal: () => lastRefusal,
    set: (next, why) => {
      const isNew = next !== state || why?.reason !== failure?.reason;
      state = next;
      failure = why;
      if (why?.problem !== undefined) noteRefusal(why.problem);
      if (isNew) options.onChange();
    },
    clear: (which) => {
      if (failure?.state === which) failure = undefined;
    },
    noteRefusal,
    note: (error, message) => {
      const found = classifyFailure(error, options.isCertificateExpired());
      options.log.warn({ state: found.state, reason: found.reason, code: found.problem?.code }, message);
      if (found.state === 'sign-in-required') options.onSignInNeeded();
      return found;
    },
  };
}
