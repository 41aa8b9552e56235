import { createHash } from 'node:crypto';
import { refuse } from '../contract/refusals.ts';
import type { Refusal } from '../contract/refusals.ts';
import type { SignInSettings } from '../contract/settings.ts';
import type { UserName } from '../domain/ids.ts';
import { findUserProblem } from '../domain/user-name.ts';

/** Who signed in and how, read from claims whose token was verified. */
export interface SignedInUser {
  readonly user: UserName;
  readonly claims: Readonly<Record<string, readonly string[]>>;
  /** Epoch seconds; 0 where the provider does not say, so that no policy takes it for fresh. */
  readonly at: number;
  readonly mfa: boolean;
  /** Digests, for `formatSignInId`. */
  readonly session: string;
  readonly subject: string;
}

/** A token carries them in each request's head, which has its bounds. */
const maxClaimsBytes = 8192;
const maxUserCharacters = 254;

/** Short enough for a token, long enough that nobody finds two. */
const digest = (...parts: readonly string[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest().subarray(0, 16).toString('base64url');

/** The provider's own names for a user and a session, as ids of sign-ins carry them. */
export const subjectDigest = (issuer: string, subject: string): string => digest('sub', issuer, subject);
export const sessionDigest = (issuer: string, session: string): string => digest('sid', issuer, session);

export type ProviderClaims = Readonly<Record<string, unknown>> & {
  readonly iss: string;
  readonly sub: string;
};

/** What of the provider's claims is ours to use: those that the settings name, whole, or a refusal. */
export function readSignInClaims(
  claims: ProviderClaims,
  settings: Pick<SignInSettings, 'user' | 'groupClaims' | 'mfa'>,
  now: number,
): SignedInUser | Refusal {
  const user = readUser(claims, settings.user);
  if (typeof user !== 'string') return user;
  const groups = readGroups(claims, settings.groupClaims);
  if (isRefusal(groups)) return groups;
  const { auth_time: authenticatedAt, acr, amr, sid } = claims;
  return {
    user,
    claims: groups,
    at: Number.isSafeInteger(authenticatedAt) ? Math.min(Number(authenticatedAt), now) : 0,
    mfa:
      (typeof acr === 'string' && settings.mfa.acr.includes(acr)) ||
      (Array.isArray(amr) && amr.some((method) => settings.mfa.amr.includes(method as string))),
    session: typeof sid === 'string' && sid !== '' ? sessionDigest(claims.iss, sid) : '',
    subject: subjectDigest(claims.iss, claims.sub),
  };
}

const isRefusal = (value: object): value is Refusal => 'code' in value && typeof value.code === 'string';

function readUser(claims: ProviderClaims, { claim, letters }: SignInSettings['user']): UserName | Refusal {
  const given = claims[claim];
  if (typeof given !== 'string' || given === '') return refuse('sign-in-user-missing', `no claim ${claim}`);
  const value = letters === 'lower-case' ? given.toLowerCase() : given;
  if (value.length > maxUserCharacters || findUserProblem(value) !== undefined)
    return refuse('sign-in-user-missing', `claim ${claim} is no name of a user`);
  // An address that its owner never proved is one that anybody may have typed.
  if (claim === 'email' && claims['email_verified'] !== true)
    return refuse('sign-in-user-unverified', 'email_verified is not true');
  return value as UserName;
}

function readGroups(
  claims: ProviderClaims,
  names: readonly string[],
): Record<string, readonly string[]> | Refusal {
  const groups: Record<string, readonly string[]> = {};
  for (const name of names) {
    // Claims that are too many to be sent are only pointed at (OpenID Connect Core, section 5.6.2). Without them a policy
    // that forbids by group would not bite, so no part is taken for the whole.
    if (isPointedAt(claims['_claim_names'], name))
      return refuse('sign-in-claims-too-large', `claim ${name} is distributed`);
    const value = claims[name];
    if (value === undefined || value === null) continue;
    const values: unknown[] = Array.isArray(value) ? value : [value];
    if (!values.every((one) => typeof one === 'string'))
      return refuse('id-token-invalid', `claim ${name} is no list of texts`);
    groups[name] = [...new Set(values)].sort();
  }
  return Buffer.byteLength(JSON.stringify(groups)) > maxClaimsBytes
    ? refuse('sign-in-claims-too-large', `more than ${maxClaimsBytes} bytes`)
    : groups;
}

const isPointedAt = (names: unknown, name: string): boolean =>
  typeof names === 'object' && names !== null && Object.hasOwn(names, name);
