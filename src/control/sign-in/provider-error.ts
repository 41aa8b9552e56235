import {
  AuthorizationResponseError,
  ClientError,
  ResponseBodyError,
  WWWAuthenticateChallengeError,
} from 'openid-client';
import { refuse } from '../../contract/refusals.ts';
import type { Refusal, RefusalCode } from '../../contract/refusals.ts';

/** Error codes of OAuth 2.0 (RFC 6749, RFC 8628) and OpenID Connect that say more than that it failed. */
const byError: Readonly<Record<string, RefusalCode>> = {
  access_denied: 'sign-in-denied',
  login_required: 'sign-in-denied',
  interaction_required: 'sign-in-denied',
  consent_required: 'sign-in-denied',
  account_selection_required: 'sign-in-denied',
  unmet_authentication_requirements: 'sign-in-denied',
  expired_token: 'sign-in-expired',
  invalid_grant: 'sign-in-code-invalid',
  server_error: 'identity-provider-unavailable',
  temporarily_unavailable: 'identity-provider-unavailable',
};

/** Error codes of openid-client that mean an ID token or an answer that is not valid. */
const invalid: ReadonlySet<string> = new Set([
  'OAUTH_INVALID_RESPONSE',
  'OAUTH_PARSE_ERROR',
  'OAUTH_JWT_CLAIM_COMPARISON_FAILED',
  'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED',
  'OAUTH_JWT_TIMESTAMP_CHECK_FAILED',
  'OAUTH_UNSUPPORTED_OPERATION',
  'OAUTH_KEY_SELECTION_FAILED',
  'OAUTH_MISSING_SERVER_METADATA',
]);

/**
 * What an error of openid-client means to whoever signs in. Anything that is not known to be an answer is a provider
 * that could not be asked. The detail names claims and error codes, never their values: those may be secrets.
 */
export function refusalOfProviderError(error: unknown): Refusal {
  if (error instanceof ResponseBodyError || error instanceof AuthorizationResponseError) {
    const code = Object.hasOwn(byError, error.error) ? byError[error.error] : undefined;
    return refuse(
      code ?? 'identity-provider-misconfigured',
      `the provider answered ${error.error.slice(0, 100)}`,
    );
  }
  if (error instanceof WWWAuthenticateChallengeError)
    return refuse('identity-provider-misconfigured', `the provider answered HTTP ${error.status}`);
  if (error instanceof ClientError) {
    const claim = claimOf(error);
    const detail = [error.message, error.code, claim].filter(Boolean).join(': ');
    if (claim === 'nonce') return refuse('sign-in-nonce-mismatch', detail);
    return refuse(
      invalid.has(error.code ?? '') ? 'id-token-invalid' : 'identity-provider-unavailable',
      detail,
    );
  }
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  return refuse('identity-provider-unavailable', cause instanceof Error ? cause.message : String(cause));
}

/** The claim that was compared, which openid-client gives in the cause of its cause. */
function claimOf(error: ClientError): string | undefined {
  for (let cause: unknown = error.cause; typeof cause === 'object' && cause !== null; ) {
    const { claim, cause: deeper } = cause as { claim?: unknown; cause?: unknown };
    if (typeof claim === 'string') return claim;
    cause = deeper;
  }
  return undefined;
}
