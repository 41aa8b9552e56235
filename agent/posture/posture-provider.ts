import { maxReasonCharacters } from '../../src/contract/posture.ts';
import type { PostureReport } from '../../src/contract/posture.ts';
import type { Clock } from '../clock.ts';
import { startStopwatch } from '../clock.ts';
import { agentVersion } from '../version.ts';
import type { Finding, PostureCriterion } from './posture-check.ts';

export type Findings = Readonly<Record<PostureCriterion, Finding>>;

export interface MeasuredPosture {
  /** For the control plane; the age is that of the moment it is called. */
  report(): PostureReport;
  readonly findings: Findings;
}

/** Where posture comes from. Passed in, so that tests and the demo can stand for other laptops. */
export interface PostureProvider {
  /** What is so now. `fresh`: every check runs anew, also where nothing was seen to change. */
  measure(options?: { readonly fresh?: boolean }): Promise<MeasuredPosture>;
  /** Calls back each time that what a check says has changed, until the signal aborts. Never rejects. */
  watch(onChange: () => void, signal: AbortSignal): Promise<void>;
}

/** Assembles a measurement out of findings made now. */
export function buildPosture(
  clock: Clock,
  system: Pick<PostureReport, 'os' | 'osVersion' | 'kernelVersion'>,
  findings: Findings,
  version = agentVersion,
): MeasuredPosture {
  const age = startStopwatch(clock);
  const each = <Value>(of: (finding: Finding) => Value): Record<string, Value> =>
    Object.fromEntries(Object.entries(findings).map(([criterion, finding]) => [criterion, of(finding)]));
  return {
    findings,
    report: () => ({
      ageSeconds: Math.min(86_400, Math.floor(age())),
      ...system,
      agentVersion: version,
      checks: each(({ value }) => value),
      reasons: each(({ reason }) => reason.slice(0, maxReasonCharacters)),
    }),
  };
}

/** Values of the checks as text to compare. */
const valuesOf = ({ findings }: MeasuredPosture): string =>
  Object.entries(findings)
    .map(([criterion, { value }]) => `${criterion}=${value}`)
    .join(' ');

/** `watch` of a provider, by measuring each `intervalMs`: for one whose measurements cost next to nothing. */
export function watchByMeasuring(
  measure: () => Promise<MeasuredPosture>,
  clock: Clock,
  intervalMs: number,
): PostureProvider['watch'] {
  return async (onChange, signal) => {
    let before: string | undefined;
    while (!signal.aborted) {
      // One that cannot be measured now will be; who asks for it is told why.
      const now = await measure().then(valuesOf, () => before);
      if (before !== undefined && now !== before && !signal.aborted) onChange();
      before = now;
      await clock.sleep(intervalMs, signal);
    }
  };
}
