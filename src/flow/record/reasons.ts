import type { Decision } from '../../domain/decision.ts';
import type { FlowOutcome } from '../../domain/flow.ts';

/** Why a flow was let through or not, in stable words: those of the decision, and the refusal where it was another. */
export function reasonsOf(
  decision: Decision | undefined,
  outcome: FlowOutcome | undefined,
): readonly string[] {
  const refusal = outcome?.refusal;
  const decided = decision === undefined ? [] : wordsOf(decision);
  // `denied` is what the peer is told; the record has the reasons for it.
  return refusal === undefined || refusal === 'denied' || decided.includes(refusal)
    ? decided
    : [...decided, refusal];
}

function wordsOf(decision: Decision): readonly string[] {
  switch (decision.effect) {
    case 'allow':
      return ['policy-permits'];
    case 'deny':
      return decision.reasons;
    case 'challenge':
      return decision.missing;
  }
}
