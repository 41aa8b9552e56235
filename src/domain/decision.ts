import type { App } from './resources.ts';
import type { Subject } from './subject.ts';

/** What one request adds to subject and application. Tunnels have the method CONNECT and an empty path. */
export interface AccessRequest {
  readonly method: string;
  /** Path without query string, exactly as it will be forwarded. */
  readonly path: string;
  readonly host: string;
  /** Numeric address of the peer of the TLS connection. */
  readonly sourceAddress: string;
}

/** Everything a decision may depend on. Time is among it, so that a decision can be repeated. */
export interface AccessFacts {
  readonly subject: Subject;
  readonly app: App;
  readonly request: AccessRequest;
  /** Epoch seconds. */
  readonly now: number;
}

const reasonsOfPolicies = [
  'no-policy-permits',
  'policy-forbids',
  'policy-error',
  'posture-missing',
  'posture-unknown',
  'posture-stale',
  'device-quarantined',
] as const;
/** Reasons that the state gives before any policy is asked: no change of policies changes them. */
export const reasonsBeforePolicies = [
  'posture-awaited',
  'device-revoked',
  'device-lost',
  'device-unknown',
  'certificate-unknown',
  'token-expired',
  'sign-in-ended',
  'user-mismatch',
  'application-removed',
] as const;
/** Stable words that the SOC reads; renaming one is a breaking change. */
export const denialReasons = [...reasonsOfPolicies, ...reasonsBeforePolicies] as const;
export type DenialReason = (typeof denialReasons)[number];

/**
 * What shadow policies would have made of an access, each by itself beside the enforced ones: names of Policy resources,
 * sorted. It had no part in the answer.
 */
export interface ShadowOutcome {
  readonly evaluated: readonly string[];
  /** Where the answer would have been another. */
  readonly wouldAllow: readonly string[];
  readonly wouldDeny: readonly string[];
  readonly wouldChallenge: readonly string[];
  /** Those that could not be evaluated, in whole or in part. */
  readonly failed: readonly string[];
}

interface Decided {
  /** Names of the Policy resources that decided, sorted. */
  readonly policies: readonly string[];
  /** The ledger head that the decision was made under, as `SEQ-HASH8`. */
  readonly policyVersion: string;
  /** Absent where no shadow policy is for the application, and where policies were not asked. */
  readonly shadow?: ShadowOutcome;
}
export interface Allow extends Decided {
  readonly effect: 'allow';
}
export interface Deny extends Decided {
  readonly effect: 'deny';
  readonly reasons: readonly DenialReason[];
}
/** What a user can do about a challenge, in the order that it is named. */
export const challengeWords = ['fresh-sign-in', 'mfa'] as const;
export type ChallengeWord = (typeof challengeWords)[number];
/** Allowed once the user does what is missing, and nothing less. */
export interface Challenge extends Decided {
  readonly effect: 'challenge';
  readonly missing: readonly ChallengeWord[];
  /** How old a sign-in may be at most, in seconds, where a fresh one is missing and the policies set a bound. */
  readonly maxAgeSeconds?: number;
}
export type Decision = Allow | Deny | Challenge;
