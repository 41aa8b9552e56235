import { startStopwatch } from '../clock.ts';
import type { Clock } from '../clock.ts';
import type { Identity } from './identity.ts';

/** The checks cost something, and whoever asks more often than people do learns no more. */
const quietMs = 1000;

/**
 * Answers a gateway that asks for the posture of the laptop: a token falls due, for which every check runs anew, and with
 * it the control plane gets what they say. One question comes on every session, and is answered once.
 */
export function createPostureAnswer(options: {
  readonly clock: Clock;
  inUse(): readonly Identity[];
  /** A token is due. */
  onDue(): void;
  signal(): AbortSignal;
}): () => void {
  const { clock } = options;
  let sinceAnswer: (() => number) | undefined;
  let isAsked = false;
  const answer = async (): Promise<void> => {
    if (sinceAnswer !== undefined)
      await clock.sleep(Math.max(0, quietMs - sinceAnswer() * 1000), options.signal());
    isAsked = false;
    sinceAnswer = startStopwatch(clock);
    for (const { tokens } of options.inUse()) tokens.expedite({ fresh: true });
    options.onDue();
  };
  return () => {
    if (isAsked) return;
    isAsked = true;
    void answer();
  };
}
