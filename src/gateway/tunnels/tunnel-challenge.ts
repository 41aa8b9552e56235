import { challengeField, isChallengeCode } from '../../contract/tunnel-challenge.ts';
import type { ChallengeCode } from '../../contract/tunnel-challenge.ts';
import type { Refusal } from '../../contract/refusals.ts';
import type { PolicyEngine } from '../../policy/engine.ts';
import type { Session } from '../listener/client-connection.ts';
import { refusalOfDecision } from '../answers/decision-refusal.ts';
import type { Flow } from '../flow.ts';

/** A request inside a tunnel was challenged, which the agent could not see. */
export interface InnerChallenge {
  readonly app: string;
  readonly code: ChallengeCode;
  /** Under which it was: another sign-in may do. */
  readonly session: Session | undefined;
}

/**
 * Fields of the answer that opens a tunnel to an http app. They tell the agent of a challenge that every request in it
 * will meet, or that one in an earlier tunnel did meet, where it depends on paths or methods.
 */
export function challengeFields({ exchange, app, grant }: Flow, engine: PolicyEngine): readonly string[] {
  const { connection } = exchange;
  const met = connection.challenge;
  const isAbout = met !== undefined && met.app === app?.name;
  if (isAbout) connection.challenge = undefined;
  if (grant?.decision.effect === 'challenge' && !engine.challengeVaries(grant.facts, grant.decision))
    return [challengeField, refusalOfDecision(grant.decision).code];
  return isAbout && met.session === connection.session ? [challengeField, met.code] : [];
}

/**
 * Keeps a challenge inside a tunnel in mind until the next one is opened. @returns fields that end this one behind the
 * answer, so that whoever repeats the request opens another.
 */
export function noteInnerChallenge({ exchange, app }: Flow, { code }: Refusal): readonly string[] {
  const { connection, tunnel } = exchange;
  if (tunnel === undefined || app === undefined || !isChallengeCode(code)) return [];
  connection.challenge = { app: app.name, code, session: connection.session };
  return ['connection', 'close'];
}
