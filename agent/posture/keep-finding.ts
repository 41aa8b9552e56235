import { describeError } from '../agent-error.ts';
import { startStopwatch } from '../clock.ts';
import type { Clock } from '../clock.ts';
import { unknown } from './posture-check.ts';
import type { CheckContext, Finding, PlatformCheck } from './posture-check.ts';
import { glanceAt } from './system-files.ts';

/** What a check may take unless it says otherwise. */
const limitMs = 5000;
/** What is waited for one that says it may take longer: it goes on, and what it finds is seen a little later. */
const longWaitMs = 1000;

/** The last finding of one check, made anew when it may be another. */
export interface KeptFinding {
  /** With `fresh` also where nothing was seen to change. Never rejects, and never takes longer than a few seconds. */
  current(fresh: boolean): Promise<Finding>;
}

interface Kept {
  readonly finding: Finding;
  readonly glance: string;
  readonly age: () => number;
}

/** Resolves with what the action says, or with `late` after a while: one that hangs holds up nobody. */
export async function within<Value>(ms: number, action: Promise<Value>, late: () => Value): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<Value>((resolve) => {
    timer = setTimeout(() => resolve(late()), ms);
  });
  return Promise.race([action, limit]).finally(() => clearTimeout(timer));
}

/**
 * A finding stands while cheap looks see nothing change, for `keepSeconds` at most. A check that throws or hangs says
 * `unknown` and why; while one hangs, no second one is started, which would hang as well.
 */
export function keepFinding(check: PlatformCheck, context: () => CheckContext, clock: Clock): KeptFinding {
  const isLong = check.limitMs !== undefined;
  const allowedMs = check.limitMs ?? limitMs;
  const waitMs = isLong ? longWaitMs : limitMs;
  let kept: Kept | undefined;
  let running: { readonly ended: Promise<void>; readonly age: () => number } | undefined;

  const quietly = async (look: () => Promise<string>): Promise<string> => look().catch(describeError);
  const glanceSelf = (): Promise<string> => quietly(async () => (await check.glance?.(context())) ?? '');
  const glanceFound = ({ watch = [] }: Finding): Promise<string> =>
    quietly(() => glanceAt(context().files, watch));
  const isUnchanged = async (known: Kept): Promise<boolean> =>
    `${await glanceSelf()}\n${await glanceFound(known.finding)}` === known.glance;

  const run = async (): Promise<void> => {
    // What changes while the check runs makes the next look differ from this one.
    const before = await glanceSelf();
    const finding = await check.check(context()).catch((error: unknown) => unknown(describeError(error)));
    kept = { finding, glance: `${before}\n${await glanceFound(finding)}`, age: startStopwatch(clock) };
  };
  const start = (): Promise<void> => {
    const ended = run().finally(() => {
      running = undefined;
    });
    running = { ended, age: startStopwatch(clock) };
    return ended;
  };

  return {
    async current(fresh) {
      const known = kept;
      if (running === undefined && known !== undefined && (!fresh || isLong)) {
        const isYoung = known.age() < check.keepSeconds;
        if (isYoung && (await within(waitMs, isUnchanged(known), () => false))) return known.finding;
      }
      await within(waitMs, running?.ended ?? start(), () => undefined);
      if (running === undefined && kept !== undefined) return kept.finding;
      if (running !== undefined && running.age() * 1000 < allowedMs && isLong)
        return kept?.finding ?? unknown('still being looked at');
      return unknown('the check took too long');
    },
  };
}
