import { describeError } from '../agent-error.ts';
import { startStopwatch } from '../clock.ts';
import type { Clock } from '../clock.ts';
import type { PeerProblem } from '../control/problem.ts';
import type { Leg } from '../status.ts';

const limitMs = 5000;

/** One leg of the way, tried now. It never takes longer than its limit and never throws. */
export async function checkLeg(clock: Clock, attempt: () => Promise<PeerProblem | undefined>): Promise<Leg> {
  const elapsed = startStopwatch(clock);
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer in time')), limitMs);
  });
  try {
    const problem = await Promise.race([attempt(), limit]);
    if (problem !== undefined) return { ok: false, code: problem.code, reason: problem.title };
    return { ok: true, ms: Math.round(elapsed() * 10_000) / 10 };
  } catch (error) {
    const problem = (error as { problem?: PeerProblem }).problem;
    return problem === undefined
      ? { ok: false, reason: describeError(error) }
      : { ok: false, code: problem.code, reason: problem.title };
  } finally {
    clearTimeout(timer);
  }
}
