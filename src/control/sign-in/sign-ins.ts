import { randomBytes, timingSafeEqual } from 'node:crypto';
import {
  authorizationCodeGrant,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  fetchUserInfo,
  genericGrantRequest,
  initiateDeviceAuthorization,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
  ResponseBodyError,
} from 'openid-client';
import type { Configuration } from 'openid-client';
import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import type { SignInSettings } from '../../contract/settings.ts';
import { readSignInClaims } from '../../identity/sign-in-claims.ts';
import type { ProviderClaims, SignedInUser } from '../../identity/sign-in-claims.ts';
import { isRefusal } from '../api/refused.ts';
import type { IdentityProvider } from './identity-provider.ts';
import { refusalOfProviderError } from './provider-error.ts';
import type { Transaction, Transactions } from './transaction.ts';

/** What is asked of the provider beside who the user is. */
export interface SignInWish {
  /** Whether the user must prove to be there now, whatever session the provider has. */
  readonly fresh?: boolean | undefined;
  /** Whether more than one factor is needed. */
  readonly mfa?: boolean | undefined;
}

export interface BegunCode {
  readonly transaction: string;
  readonly authorizationUrl: string;
  /** Epoch seconds. */
  readonly expiresAt: number;
}

export interface BegunDeviceCode {
  readonly transaction: string;
  readonly userCode: string;
  readonly verificationUri: string;
  readonly verificationUriComplete?: string;
  readonly intervalSeconds: number;
  /** Epoch seconds. */
  readonly expiresAt: number;
}

export interface Pending {
  readonly pending: true;
  /** To wait before the next question. */
  readonly intervalSeconds: number;
}

/** Sign-in with the identity provider, up to the knowledge of who it is. Who may is for the caller to say. */
export interface SignIns {
  beginCode(owner: string, redirectUri: string, wish: SignInWish): Promise<BegunCode | Refusal>;
  beginDeviceCode(owner: string, wish: SignInWish): Promise<BegunDeviceCode | Refusal>;
  /**
   * Ends what `owner` began: with the parameters that the provider sent along in the redirect, or, for a device code,
   * by asking the provider once.
   */
  complete(
    owner: string,
    transaction: string,
    parameters?: string,
  ): Promise<SignedInUser | Pending | Refusal>;
}

/** How long a user may take at the provider. */
const transactionSeconds = 600;
/** How old a proof may be that was asked for just now: the user may still have had to read a page of consent. */
const freshSeconds = 300;
/** RFC 8628, section 3.5: where the provider names no interval, and by how much to slow down when it asks. */
const defaultIntervalSeconds = 5;
const maxIntervalSeconds = 60;

export function createSignIns(parts: {
  readonly settings: SignInSettings;
  readonly provider: IdentityProvider;
  readonly transactions: Transactions;
  /** Epoch seconds. */
  readonly now: () => number;
}): SignIns {
  const { settings, provider, transactions, now } = parts;
  const scope = settings.scopes.join(' ');
  const newId = (): string => randomBytes(16).toString('base64url');

  const readUser = async (
    configuration: Configuration,
    answer: { readonly access_token: string; claims(): ProviderClaims | undefined },
  ): Promise<SignedInUser | Refusal> => {
    const idToken = answer.claims();
    if (idToken === undefined) return refuse('id-token-invalid', 'the provider sent no ID token');
    const missing = [settings.user.claim, ...settings.groupClaims].some(
      (name) => idToken[name] === undefined,
    );
    const isAskable = configuration.serverMetadata().userinfo_endpoint !== undefined;
    // With the code flow, the claims of scopes may be had at the userinfo endpoint only (OpenID Connect Core, 5.4).
    const more =
      missing && isAskable ? await fetchUserInfo(configuration, answer.access_token, idToken.sub) : {};
    return readSignInClaims({ ...more, ...idToken }, settings, now());
  };

  const redeemCode = async (
    configuration: Configuration,
    transaction: Extract<Transaction, { flow: 'code' }>,
    parameters: string,
  ): Promise<SignedInUser | Refusal> => {
    const answer = new URL(transaction.redirectUri);
    answer.search = parameters;
    const states = answer.searchParams.getAll('state');
    if (states.length !== 1 || !isSame(states[0] ?? '', transaction.state))
      return refuse('sign-in-state-mismatch', `${states.length} given`);
    // From here on it is the answer to this very sign-in, and there is no second one.
    if (!(await transactions.use(transaction, now()))) return refuse('sign-in-used');
    const tokens = await authorizationCodeGrant(configuration, answer, {
      pkceCodeVerifier: transaction.verifier,
      expectedState: transaction.state,
      expectedNonce: transaction.nonce,
      maxAge: transaction.maxAgeSeconds,
      idTokenExpected: true,
    });
    return readUser(configuration, tokens);
  };

  const pollDeviceCode = async (
    configuration: Configuration,
    transaction: Extract<Transaction, { flow: 'device-code' }>,
  ): Promise<SignedInUser | Pending | Refusal> => {
    const { intervalSeconds, deviceCode } = transaction;
    const pending: Pending = { pending: true, intervalSeconds };
    if (!(await transactions.mayPoll(transaction, intervalSeconds))) return pending;
    try {
      const tokens = await genericGrantRequest(
        configuration,
        'urn:ietf:params:oauth:grant-type:device_code',
        { device_code: deviceCode },
      );
      if (!(await transactions.use(transaction, now()))) return refuse('sign-in-used');
      return await readUser(configuration, tokens);
    } catch (error) {
      if (!(error instanceof ResponseBodyError)) throw error;
      if (error.error === 'authorization_pending') return pending;
      if (error.error !== 'slow_down') throw error;
      return { pending: true, intervalSeconds: Math.min(intervalSeconds + 5, maxIntervalSeconds) };
    }
  };

  return {
    async beginCode(owner, redirectUri, wish) {
      const configuration = await provider.configuration();
      if (isRefusal(configuration)) return configuration;
      const [state, nonce, verifier] = [randomState(), randomNonce(), randomPKCECodeVerifier()];
      // An age is always asked for: only then must the provider say when the user proved to be there (Core, 3.1.2.1).
      const maxAgeSeconds = wish.fresh === true ? freshSeconds : settings.lifetimeSeconds;
      const url = buildAuthorizationUrl(configuration, {
        scope,
        redirect_uri: redirectUri,
        state,
        nonce,
        code_challenge: await calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        ...(wish.fresh === true ? { prompt: 'login', max_age: '0' } : { max_age: String(maxAgeSeconds) }),
        ...(wish.mfa === true && settings.mfa.acr.length > 0
          ? { acr_values: settings.mfa.acr.join(' ') }
          : {}),
      });
      const expiresAt = now() + transactionSeconds;
      const transaction = transactions.seal({
        id: newId(),
        owner,
        expiresAt,
        flow: 'code',
        redirectUri,
        state,
        nonce,
        verifier,
        maxAgeSeconds,
      });
      return { transaction, authorizationUrl: url.href, expiresAt };
    },

    async beginDeviceCode(owner, wish) {
      const configuration = await provider.configuration();
      if (isRefusal(configuration)) return configuration;
      try {
        const answer = await initiateDeviceAuthorization(configuration, {
          scope,
          ...(wish.fresh === true ? { prompt: 'login', max_age: '0' } : {}),
          ...(wish.mfa === true && settings.mfa.acr.length > 0
            ? { acr_values: settings.mfa.acr.join(' ') }
            : {}),
        });
        const intervalSeconds = Math.min(answer.interval ?? defaultIntervalSeconds, maxIntervalSeconds);
        const expiresAt = now() + Math.min(answer.expires_in, transactionSeconds);
        const transaction = transactions.seal({
          id: newId(),
          owner,
          expiresAt,
          flow: 'device-code',
          deviceCode: answer.device_code,
          intervalSeconds,
        });
        return {
          transaction,
          userCode: answer.user_code,
          verificationUri: answer.verification_uri,
          ...(answer.verification_uri_complete === undefined
            ? {}
            : { verificationUriComplete: answer.verification_uri_complete }),
          intervalSeconds,
          expiresAt,
        };
      } catch (error) {
        return refusalOfProviderError(error);
      }
    },

    async complete(owner, text, parameters) {
      const transaction = await transactions.open(text, owner, now());
      if (isRefusal(transaction)) return transaction;
      const configuration = await provider.configuration();
      if (isRefusal(configuration)) return configuration;
      try {
        return transaction.flow === 'code'
          ? await redeemCode(configuration, transaction, parameters ?? '')
          : await pollDeviceCode(configuration, transaction);
      } catch (error) {
        return refusalOfProviderError(error);
      }
    },
  };
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}
