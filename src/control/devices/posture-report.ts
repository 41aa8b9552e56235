import type { PostureReport } from '../../contract/posture.ts';
import { readChecks } from '../../domain/posture.ts';
import type { Posture } from '../../domain/posture.ts';

/** A report with our own time of measurement: the laptop says only how old it is. `now` in epoch seconds. */
export function acceptPosture(report: PostureReport, now: number): Posture {
  const { ageSeconds, reasons: _, ...posture } = report;
  return { ...posture, checks: readChecks(posture.checks), measuredAt: now - ageSeconds };
}
