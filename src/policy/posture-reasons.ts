import type { DenialReason } from '../domain/decision.ts';
import { postureCriteria } from '../domain/posture.ts';
import type { Posture } from '../domain/posture.ts';
import { isUnknown } from './context-leaves.ts';
import { judge } from './judge.ts';
import { freshest } from './policy-inputs.ts';
import type { PolicyInputs } from './policy-inputs.ts';
import type { PolicySlice } from './slices.ts';
import { differsFromZero, timeValue } from './time-dimensions.ts';

/** The posture had the checks that could not run found all well. */
const knowing = (posture: Posture): Posture => ({
  ...posture,
  checks: Object.fromEntries(
    postureCriteria.map((name) => [name, isUnknown(posture, name) ? true : posture.checks[name]]),
  ) as Posture['checks'],
});

/** Whether the slice asks for something that the posture leaves open. */
const asksForUnknown = ({ leaves }: PolicySlice, posture: Posture): boolean =>
  postureCriteria.some(
    (name) =>
      isUnknown(posture, name) && (leaves.includes(`posture.${name}`) || leaves.includes('posture.unknown')),
  );

/**
 * Whether a denial is one only because checks could not run, or because their results are old: each tried alone, then
 * both together. Whoever mends laptops has to know that from a check that ran and found fault.
 */
export function findPostureReasons(slice: PolicySlice, inputs: PolicyInputs): readonly DenialReason[] {
  const { posture } = inputs;
  if (posture === undefined) return [];
  const measuredAt = freshest(inputs);
  const allows = (changed: Posture): boolean =>
    judge(slice, { ...inputs, posture: changed }).effect === 'allow';
  const unknown = asksForUnknown(slice, posture);
  const stale = differsFromZero(timeValue('postureAge', inputs), slice.times.get('postureAge'));
  if (unknown && allows(knowing(posture))) return ['posture-unknown'];
  if (stale && allows({ ...posture, measuredAt })) return ['posture-stale'];
  if (unknown && stale && allows({ ...knowing(posture), measuredAt }))
    return ['posture-unknown', 'posture-stale'];
  return [];
}
