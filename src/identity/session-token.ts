import { randomBytes, timingSafeEqual } from 'node:crypto';
import { compactVerify, errors, importJWK, SignJWT } from 'jose';
import type { CryptoKey } from 'jose';
import { Compile } from 'typebox/compile';
import { refuse } from '../contract/refusals.ts';
import type { Refusal } from '../contract/refusals.ts';
import {
  SessionClaims,
  sessionAudience,
  sessionTokenLifetimeSeconds,
  sessionTokenType,
  tokenIssuer,
} from '../contract/session-token.ts';
import type { PublishedKey } from '../domain/control-state.ts';
import type { DeviceId, UserName } from '../domain/ids.ts';
import { readChecks } from '../domain/posture.ts';
import type { Posture } from '../domain/posture.ts';
import { isMachineName } from '../domain/subject.ts';
import type { VerifiedToken, SignIn } from '../domain/subject.ts';
import { parseCanonicalObject, splitCompactForm } from './compact-form.ts';
import type { SigningKey } from './signing-key.ts';

/** How far ahead of ours the issuer's clock may be. An end is never stretched. */
export const clockSkewSeconds = 30;

export interface SessionTokenContent {
  readonly domain: string;
  readonly user: UserName;
  /** What records are to call the user. */
  readonly pseudonym?: string | undefined;
  readonly device: DeviceId;
  /** Of the certificate that the token is bound to. */
  readonly thumbprint: string;
  readonly claims: Readonly<Record<string, readonly string[]>>;
  readonly posture: Posture | undefined;
  readonly signIn?: SignIn | undefined;
  /** Epoch seconds: where the sign-in ends before the ten minutes do, so does the token. */
  readonly notAfter?: number | undefined;
  /** Epoch seconds. */
  readonly now: number;
}

/** Signs a session token of ten minutes at most, bound to one certificate (RFC 8705, section 3.1). */
export async function signSessionToken(
  key: SigningKey,
  content: SessionTokenContent,
): Promise<{ token: string; id: string; expiresAt: number }> {
  const id = randomBytes(16).toString('base64url');
  const expiresAt = Math.min(content.now + sessionTokenLifetimeSeconds, content.notAfter ?? Infinity);
  const claims = {
    iss: tokenIssuer(content.domain),
    aud: sessionAudience,
    sub: content.user,
    jti: id,
    iat: content.now,
    exp: expiresAt,
    ...(content.pseudonym === undefined ? {} : { pseudonym: content.pseudonym }),
    device: content.device,
    cnf: { 'x5t#S256': content.thumbprint },
    claims: Object.fromEntries(Object.entries(content.claims).map(([name, values]) => [name, [...values]])),
    ...(content.signIn === undefined ? {} : { signIn: content.signIn }),
    ...(content.posture === undefined ? {} : { posture: content.posture }),
  } satisfies SessionClaims;
  const token = await new SignJWT(claims)
    .setProtectedHeader({ alg: 'ES256', typ: sessionTokenType, kid: key.kid })
    .sign(key.privateKey);
  return { token, id, expiresAt };
}

export interface TokenVerifier {
  /** `thumbprint` is that of the certificate on the connection; `now` in epoch seconds. Never throws on bad input. */
  verify(raw: string, thumbprint: string, now: number): Promise<VerifiedToken | Refusal>;
}

const sessionClaims = Compile(SessionClaims);

/** Members that a header must have; any other (`jwk`, `x5c`, `jku`, `crit` …) would say how to be believed. */
const headerMembers = ['alg', 'kid', 'typ'];

// By the published key itself: when the ledger replaces one, the old import cannot be found any more.
const imported = new WeakMap<PublishedKey, Promise<CryptoKey>>();
function importKey(key: PublishedKey): Promise<CryptoKey> {
  const known = imported.get(key);
  if (known !== undefined) return known;
  const fresh = importJWK({ ...key.jwk, alg: 'ES256' });
  imported.set(key, fresh);
  return fresh;
}

/**
 * The one place where a session token is verified. It accepts what `signSessionToken` makes and nothing near it:
 * ES256 with a key of the ledger that is for session tokens, our type, issuer and audience, in time, and bound to the
 * certificate of this very connection.
 */
export function createTokenVerifier(options: {
  readonly domain: string;
  /** The keys as the ledger has them at this moment. */
  readonly keys: () => ReadonlyMap<string, PublishedKey>;
  /** Whether records must not have names: a token without a pseudonym, but for a machine's, is from before that. */
  readonly needsPseudonym?: boolean;
}): TokenVerifier {
  const issuer = tokenIssuer(options.domain);
  const needsPseudonym = options.needsPseudonym === true;

  return {
    verify: async (raw, thumbprint, now) => {
      const parts = splitCompactForm(raw);
      if (parts === undefined) return refuse('token-malformed', 'not a compact JWS');
      const key = chooseKey(parseCanonicalObject(parts.unverifiedHeader), options.keys(), now);
      if ('code' in key) return key;
      try {
        await compactVerify(raw, await importKey(key), { algorithms: ['ES256'] });
      } catch (error) {
        if (error instanceof errors.JOSEError) return refuse('token-signature', error.code);
        // A published key that is no point of the curve: WebCrypto would not import it.
        if (error instanceof DOMException) return refuse('token-signature', 'key cannot be used');
        throw error;
      }
      const claims = parseCanonicalObject(parts.unverifiedPayload);
      if (claims === undefined) return refuse('token-malformed', 'claims are not canonical JSON');
      return checkClaims(claims, { issuer, thumbprint, now, key, needsPseudonym });
    },
  };
}

function chooseKey(
  unverifiedHeader: Readonly<Record<string, unknown>> | undefined,
  keys: ReadonlyMap<string, PublishedKey>,
  now: number,
): PublishedKey | Refusal {
  if (unverifiedHeader === undefined) return refuse('token-malformed', 'header is not canonical JSON');
  const { alg, kid, typ } = unverifiedHeader;
  if (alg !== 'ES256') return refuse('token-signature', 'algorithm is not ES256');
  if (Object.keys(unverifiedHeader).some((name) => !headerMembers.includes(name))) {
    return refuse('token-malformed', 'header with members that do not belong');
  }
  if (typ !== sessionTokenType) return refuse('token-audience', 'not of the type of a session token');
  const key = typeof kid === 'string' ? keys.get(kid) : undefined;
  if (key === undefined) return refuse('token-signature', 'key unknown');
  if (key.use !== 'session') return refuse('token-signature', 'key is not for session tokens');
  if (key.retiredAt !== undefined && now >= key.retiredAt + sessionTokenLifetimeSeconds + clockSkewSeconds) {
    return refuse('token-signature', 'key retired');
  }
  return key;
}

function checkClaims(
  claims: unknown,
  context: { issuer: string; thumbprint: string; now: number; key: PublishedKey; needsPseudonym: boolean },
): VerifiedToken | Refusal {
  const { issuer, thumbprint, now, key } = context;
  const { iss, aud } = claims as { iss?: unknown; aud?: unknown };
  if (iss !== issuer) return refuse('token-audience', 'issuer is not our control plane');
  if (aud !== sessionAudience) return refuse('token-audience', 'audience is not the gateway');
  if (!sessionClaims.Check(claims)) return refuse('token-malformed', 'claims do not fit the schema');
  const { iat, exp } = claims;
  if (exp <= iat || exp - iat > sessionTokenLifetimeSeconds)
    return refuse('token-malformed', 'lifetime out of bounds');
  if (iat > now + clockSkewSeconds) return refuse('token-not-yet-valid', `issued at ${iat}`);
  // RFC 7519, section 4.1.4: on the second of `exp` it is over.
  if (now >= exp) return refuse('token-expired', `expired at ${exp}`);
  if (key.retiredAt !== undefined && iat > key.retiredAt + clockSkewSeconds) {
    return refuse('token-signature', 'signed after its key was retired');
  }
  if (!equalInConstantTime(claims.cnf['x5t#S256'], thumbprint)) {
    return refuse('token-bound-elsewhere', 'bound to another certificate');
  }
  if (context.needsPseudonym && claims.pseudonym === undefined && !isMachineName(claims.sub))
    return refuse('token-expired', 'from before records had pseudonyms');
  return {
    id: claims.jti,
    user: claims.sub as UserName,
    pseudonym: claims.pseudonym,
    device: claims.device as DeviceId,
    claims: claims.claims,
    posture: claims.posture && { ...claims.posture, checks: readChecks(claims.posture.checks) },
    signIn: claims.signIn,
    issuedAt: iat,
    expiresAt: exp,
  };
}

function equalInConstantTime(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}
