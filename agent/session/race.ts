import type { Clock } from '../clock.ts';

/** RFC 8305, section 5: the Connection Attempt Delay it recommends. */
export const attemptDelayMs = 250;

export interface RaceOptions<Result> {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Gets a result that came after another had won. */
  readonly discard: (result: Result) => void;
  /** Which of two errors says more, to be thrown where nobody wins. */
  readonly worse: (a: unknown, b: unknown) => unknown;
}

/**
 * Happy Eyeballs (RFC 8305, section 5): the next attempt begins when the one before has failed, or has not come to
 * anything within the delay. The first that succeeds wins, and the others are given up.
 * @throws the most telling error where none succeeds.
 */
export async function race<Result>(
  attempts: readonly ((signal: AbortSignal) => Promise<Result>)[],
  { clock, signal, discard, worse }: RaceOptions<Result>,
): Promise<Result> {
  const over = new AbortController();
  const ending = AbortSignal.any([signal, over.signal]);
  const winner = Promise.withResolvers<Result>();
  let isWon = false;
  const win = (result: Result): void => {
    if (isWon || ending.aborted) return discard(result);
    isWon = true;
    winner.resolve(result);
  };
  let failure: unknown = new Error('no address of a gateway is known');
  let failures = 0;
  const run = async (): Promise<void> => {
    const running: Promise<void>[] = [];
    for (const attempt of attempts) {
      if (ending.aborted) break;
      const waiting = new AbortController();
      const outcome = attempt(ending).then(win, (error: unknown) => {
        failure = failures === 0 ? error : worse(failure, error);
        failures += 1;
        waiting.abort();
      });
      running.push(outcome);
      await Promise.race([
        winner.promise,
        clock.sleep(attemptDelayMs, AbortSignal.any([ending, waiting.signal])),
      ]);
    }
    await Promise.all(running);
  };
  const all = run().then(() => {
    throw signal.aborted ? new Error('given up') : failure;
  });
  try {
    return await Promise.race([winner.promise, all]);
  } finally {
    // What loses from here on is nobody's business.
    all.catch(() => undefined);
    over.abort();
  }
}
