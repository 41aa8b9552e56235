import type { FlowFacts } from '../../domain/flow.ts';

/** Whole seconds from the measurement of the posture to the start of the flow, as policies saw it; null without one. */
export function postureAgeSeconds({ subject, startedAt }: FlowFacts): number | null {
  const measuredAt = subject?.token.posture?.measuredAt;
  return measuredAt === undefined ? null : Math.max(0, Math.floor(startedAt / 1000) - measuredAt);
}
