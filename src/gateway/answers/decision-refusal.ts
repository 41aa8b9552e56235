import { refuse } from '../../contract/refusals.ts';
import type { Refusal, RefusalCode } from '../../contract/refusals.ts';
import type { AccessFacts, Challenge, Decision, DenialReason } from '../../domain/decision.ts';

/** Reasons that a peer is told by a code of their own; of all others it learns that access is denied. */
const codes: Readonly<Partial<Record<DenialReason, RefusalCode>>> = {
  'device-revoked': 'device-revoked',
  'device-lost': 'device-lost',
  'device-unknown': 'device-unknown',
  'certificate-unknown': 'certificate-unknown',
  'device-quarantined': 'device-quarantined',
  'posture-awaited': 'posture-awaited',
  'token-expired': 'token-expired',
  'sign-in-ended': 'sign-in-ended',
};

/** After these the device itself has no business here: its connections end, not only its flows. */
const endingTheDevice: ReadonlySet<DenialReason> = new Set([
  'device-revoked',
  'device-lost',
  'device-unknown',
  'certificate-unknown',
]);

type Denied = Exclude<Decision, { effect: 'allow' }>;

/** @param otherwise what the peer is told where no reason has a code of its own. */
export function refusalOfDecision(decision: Denied, otherwise: RefusalCode = 'denied'): Refusal {
  if (decision.effect === 'challenge') return refusalOfChallenge(decision);
  const [first] = decision.reasons;
  const code = (first === undefined ? undefined : codes[first]) ?? otherwise;
  return refuse(code, [...decision.reasons, ...decision.policies].join(', '));
}

/** Also where it ends a live flow: whoever carried it can be told what to do. */
function refusalOfChallenge({ missing, maxAgeSeconds, policies }: Challenge): Refusal {
  const code = missing.includes('mfa') ? 'mfa-required' : 'sign-in-required';
  const refusal = refuse(code, [...missing, ...policies].join(', '));
  return maxAgeSeconds === undefined ? refusal : { ...refusal, maxAgeSeconds };
}

export const endsTheDevice = (decision: Decision): boolean =>
  decision.effect === 'deny' && decision.reasons.some((reason) => endingTheDevice.has(reason));

/** Reasons that speak of one access, not of the subject: another path or method may be allowed. */
const ofPolicy: ReadonlySet<DenialReason> = new Set([
  'no-policy-permits',
  'policy-forbids',
  'policy-error',
  'posture-missing',
  'posture-unknown',
  'posture-stale',
]);

/** Of a device in quarantine only where some policy of the application speaks of such devices. */
export const isOnlyPolicy = (decision: Decision): boolean =>
  decision.effect === 'challenge' ||
  (decision.effect === 'deny' &&
    decision.reasons.some((reason) => ofPolicy.has(reason)) &&
    decision.reasons.every((reason) => ofPolicy.has(reason) || reason === 'device-quarantined'));

/**
 * A CONNECT to an http app gives access to nothing: the gateway itself is at its other end, and each request in it is
 * decided with its own method and path. So a policy about paths works, and a browser is shown the page of a refusal
 * instead of "the proxy refused".
 */
export const isCarrier = ({ app, request }: AccessFacts): boolean =>
  app.protocol === 'http' && request.method === 'CONNECT';
