import type { PostureReport } from '../contract/posture.ts';
import type { Posture } from '../domain/posture.ts';

/** A report with our own time of measurement: the laptop says only how old it is. `now` in epoch seconds. */
export const acceptPosture = ({ ageSeconds, ...report }: PostureReport, now: number): Posture => ({
  ...report,
  measuredAt: now - ageSeconds,
});
