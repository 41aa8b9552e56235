import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import type { Flow } from '../flow.ts';

/**
 * Posture travels inside the session token, with the time it was measured, so there is nothing to fetch and nothing
 * that could fail open. What the step makes sure of is that the posture belongs to this very device.
 */
export function loadPosture({ subject }: Flow): Refusal | undefined {
  if (subject === undefined) return refuse('token-missing');
  return subject.token.device === subject.certificate.device
    ? undefined
    : refuse('token-bound-elsewhere', `token of ${subject.token.device}`);
}
