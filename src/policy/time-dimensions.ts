import type { CedarExpression } from './cedar.ts';
import { postureAgeSeconds, signInAgeSeconds } from './policy-inputs.ts';
import type { PolicyInputs } from './policy-inputs.ts';

/**
 * What changes by the passing of time alone. Policies mostly compare these with literals; a decision then depends
 * only on which literals were passed, which makes it worth caching, and says when it has to be made again.
 */
export const timeDimensions = ['postureAge', 'signInAge', 'enrolledAge', 'now', 'timeOfDay'] as const;
export type TimeDimension = (typeof timeDimensions)[number];

/** The whole-second values at which an answer can change, ascending; `raw` where any second may. */
export type Breakpoints = readonly number[] | 'raw';

const secondsPerDay = 86_400;

/** The present value, in whole seconds, growing by one a second (time of day: until midnight UTC). */
export function timeValue(dimension: TimeDimension, inputs: PolicyInputs): number {
  switch (dimension) {
    case 'postureAge':
      return postureAgeSeconds(inputs);
    case 'signInAge':
      return signInAgeSeconds(inputs);
    case 'enrolledAge':
      return Math.max(0, Math.floor(inputs.now - inputs.device.enrolledAt));
    case 'now':
      return inputs.now;
    case 'timeOfDay':
      return inputs.now % secondsPerDay;
  }
}

/** How many breakpoints were passed, or the value itself where there is no telling. */
export function timeBucket(value: number, breakpoints: Breakpoints): number {
  if (breakpoints === 'raw') return value;
  let passed = 0;
  while (passed < breakpoints.length && (breakpoints[passed] as number) <= value) passed++;
  return passed;
}

/** Whether a value of zero might be answered otherwise than this one; policies that do not compare it set no bounds. */
export function differsFromZero(value: number, breakpoints: Breakpoints | undefined): boolean {
  if (breakpoints === undefined) return false;
  return breakpoints === 'raw' ? value !== 0 : timeBucket(value, breakpoints) !== timeBucket(0, breakpoints);
}

/** How often a flow is looked at again where a policy uses time in a way that has no known breakpoints. */
const rawReviewSeconds = 5;

/** Seconds until the value reaches its next breakpoint; infinite when none is left. */
export function secondsToBreakpoint(
  dimension: TimeDimension,
  inputs: PolicyInputs,
  breakpoints: Breakpoints,
): number {
  const since = measuredAt(dimension, inputs);
  if (since === 'never') return Infinity;
  if (breakpoints === 'raw') return rawReviewSeconds;
  const value = timeValue(dimension, inputs);
  const next = breakpoints.find((breakpoint) => breakpoint > value);
  // At midnight the time of day starts again below every breakpoint.
  if (dimension === 'timeOfDay') return (next ?? secondsPerDay) - value;
  if (next === undefined) return Infinity;
  return since === undefined ? next - value : since + next - inputs.now;
}

/** When that began which is as old as its age says: by a clock that is not ours. */
function measuredAt(
  dimension: TimeDimension,
  { posture, signIn }: PolicyInputs,
): number | 'never' | undefined {
  if (dimension === 'postureAge') return posture?.measuredAt ?? 'never';
  if (dimension === 'signInAge') return signIn.at ?? 'never';
  return undefined;
}

export const comparisons = ['<', '<=', '>', '>=', '==', '!='] as const;
export type Comparison = (typeof comparisons)[number];

const mirrored: Record<Comparison, Comparison> = {
  '<': '>',
  '<=': '>=',
  '>': '<',
  '>=': '<=',
  '==': '==',
  '!=': '!=',
};

/** Where `value OP literal` changes, for a value of whole seconds: the first whole seconds of each new answer. */
export function breakpointsOf(comparison: Comparison, literal: number, literalOnLeft: boolean): number[] {
  const reached = Math.ceil(literal);
  const exceeded = Math.floor(literal) + 1;
  const operator = literalOnLeft ? mirrored[comparison] : comparison;
  if (operator === '<' || operator === '>=') return [reached];
  if (operator === '<=' || operator === '>') return [exceeded];
  return [reached, exceeded];
}

const durationPattern = /^(-?)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?$/;
const datetimePattern = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d{3})?Z)?$/;

/**
 * Seconds of a literal for a dimension, or `undefined` for anything but the plainest form of one; what is not
 * understood here is only cached less well.
 */
export function literalSeconds(dimension: TimeDimension, expression: CedarExpression): number | undefined {
  if (dimension === 'postureAge' || dimension === 'signInAge' || dimension === 'enrolledAge') {
    // Cedar hands Longs over as JSON numbers: beyond the safe integers they are no longer what was written.
    if (!('Value' in expression) || !Number.isSafeInteger(expression.Value)) return undefined;
    return expression.Value as number;
  }
  const constructor = dimension === 'now' ? 'datetime' : 'duration';
  const args = (expression as Record<string, unknown>)[constructor];
  const argument: unknown = Array.isArray(args) ? args[0] : undefined;
  if (typeof argument !== 'object' || argument === null || !('Value' in argument)) return undefined;
  const text = argument.Value;
  if (typeof text !== 'string') return undefined;
  if (dimension === 'now') {
    const at = datetimePattern.test(text) ? Date.parse(text) : Number.NaN;
    return Number.isNaN(at) ? undefined : at / 1000;
  }
  const match = durationPattern.exec(text);
  if (match === null) return undefined;
  const [, sign, days = 0, hours = 0, minutes = 0, seconds = 0, milliseconds = 0] = match;
  const total =
    Number(days) * secondsPerDay +
    Number(hours) * 3600 +
    Number(minutes) * 60 +
    Number(seconds) +
    Number(milliseconds) / 1000;
  return sign === '-' ? -total : total;
}
