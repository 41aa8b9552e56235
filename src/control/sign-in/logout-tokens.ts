import { createRemoteJWKSet, customFetch, errors, jwtVerify } from 'jose';
import type { JWTPayload, JWTVerifyGetKey } from 'jose';
import type { CustomFetch } from 'openid-client';
import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import type { SignInSettings } from '../../contract/settings.ts';
import { endedSession, endedSubject } from '../../domain/sign-in.ts';
import { sessionDigest, subjectDigest } from '../../identity/sign-in-claims.ts';
import type { FleetingStore } from '../fleeting/fleeting-store.ts';
import { isRefusal } from '../api/refused.ts';
import type { IdentityProvider } from './identity-provider.ts';

/** What the identity provider's logout ends. */
export interface ProviderLogout {
  /** Key of what ended, as `sign-in-ended` has it. */
  readonly id: string;
  /** The user as the provider names it; we may never have been told another name. */
  readonly subject: string;
}

/** A logout that a token asked for. */
export interface VerifiedLogout extends ProviderLogout {
  /** Lets the same token come again: what it asked for could not be done. */
  readonly release: () => Promise<void>;
}

/** Logout tokens of OpenID Connect Back-Channel Logout 1.0, each good once. */
export interface LogoutTokens {
  /** `now` in epoch seconds. Never throws on bad input. */
  verify(token: string, now: number): Promise<VerifiedLogout | Refusal>;
}

const event = 'http://schemas.openid.net/event/backchannel-logout';
const maxTokenCharacters = 16_384;
/** Section 2.4: a token is of the moment. Ours and the provider's clock may differ by the tolerance. */
const maxAgeSeconds = 120;
const toleranceSeconds = 30;
const seenMs = (maxAgeSeconds + 2 * toleranceSeconds) * 1000;

export function createLogoutTokens(parts: {
  readonly settings: Pick<SignInSettings, 'clientId' | 'idTokenAlgorithm' | 'timeoutMs'>;
  readonly provider: IdentityProvider;
  readonly seen: FleetingStore;
  readonly fetch: CustomFetch;
}): LogoutTokens {
  const { settings, provider } = parts;
  let keys: { readonly uri: string; readonly get: JWTVerifyGetKey } | undefined;

  const keysAt = (uri: string): JWTVerifyGetKey => {
    if (keys?.uri !== uri) {
      const get = createRemoteJWKSet(new URL(uri), {
        timeoutDuration: settings.timeoutMs,
        [customFetch]: (url, { headers, method, signal }) =>
          parts.fetch(url, {
            body: undefined,
            headers: Object.fromEntries(headers),
            method,
            redirect: 'manual',
            signal,
          }),
      });
      keys = { uri, get };
    }
    return keys.get;
  };

  return {
    async verify(token, now) {
      if (token.length > maxTokenCharacters) return refuse('logout-token-invalid', 'too long');
      const configuration = await provider.configuration();
      if (isRefusal(configuration)) return configuration;
      const {
        issuer,
        jwks_uri: uri,
        backchannel_logout_session_supported: hasSessions,
      } = configuration.serverMetadata();
      if (uri === undefined)
        return refuse('identity-provider-misconfigured', 'the provider publishes no keys');
      let claims: JWTPayload;
      try {
        const verified = await jwtVerify(token, keysAt(uri), {
          issuer,
          audience: settings.clientId,
          algorithms: [settings.idTokenAlgorithm],
          requiredClaims: ['iat', 'jti', 'events'],
          maxTokenAge: maxAgeSeconds,
          clockTolerance: toleranceSeconds,
          currentDate: new Date(now * 1000),
        });
        claims = verified.payload;
      } catch (error) {
        return refusalOf(error);
      }
      // Section 2.6: what bears a nonce is an ID token, however it came here.
      if ('nonce' in claims) return refuse('logout-token-invalid', 'it bears a nonce');
      if (!isLogout(claims['events'])) return refuse('logout-token-invalid', 'not the event of a logout');
      const { sub, sid } = claims;
      const logout = targetOf(issuer, sub, hasSessions === true ? sid : undefined);
      if (logout === undefined) return refuse('logout-token-invalid', 'it names neither user nor session');
      // Seen until it would be too old anyway.
      const jti = String(claims.jti);
      const seenBefore = await parts.seen.claim(jti, 'seen', seenMs);
      return seenBefore === undefined
        ? { ...logout, release: () => parts.seen.drop(jti) }
        : refuse('logout-token-used');
    },
  };
}

/**
 * One session where the provider has them in its ID tokens, too; otherwise all of the user. A `sid` that our sign-ins
 * never heard of would end nothing.
 */
function targetOf(issuer: string, sub: unknown, sid: unknown): ProviderLogout | undefined {
  const subject = typeof sub === 'string' && sub !== '' && sub.length <= 254 ? sub : undefined;
  if (typeof sid === 'string' && sid !== '')
    return { id: endedSession(sessionDigest(issuer, sid)), subject: subject ?? 'not named' };
  return subject === undefined ? undefined : { id: endedSubject(subjectDigest(issuer, subject)), subject };
}

/** Its value is a JSON object (section 2.4). */
const isLogout = (events: unknown): boolean =>
  isObject(events) && Object.hasOwn(events, event) && isObject(events[event]);

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function refusalOf(error: unknown): Refusal {
  if (error instanceof errors.JWTClaimValidationFailed || error instanceof errors.JWTExpired)
    return refuse('logout-token-invalid', `${error.code}: ${error.claim}`);
  if (error instanceof errors.JWKSTimeout) return refuse('identity-provider-unavailable', error.code);
  if (error instanceof errors.JOSEError) return refuse('logout-token-invalid', error.code);
  return refuse('identity-provider-unavailable', (error as Error).message);
}
