import {
  ClientSecretBasic,
  ClientSecretPost,
  customFetch,
  discovery,
  enableNonRepudiationChecks,
} from 'openid-client';
import type { ClientAuth, Configuration, CustomFetch } from 'openid-client';
import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import type { SignInSettings } from '../../contract/settings.ts';
import { isRefusal } from '../api/refused.ts';
import { refusalOfProviderError } from './provider-error.ts';

/** The organization's identity provider, found by OpenID Connect Discovery when it is first needed. */
export interface IdentityProvider {
  /** Its endpoints and keys, with our credentials for it; a refusal while it cannot be reached. Never throws. */
  configuration(): Promise<Configuration | Refusal>;
}

/** What discovery said holds this long; where the provider is away then, it goes on by what it said before. */
const freshMs = 3_600_000;
/** Between two tries while it does not answer, so that a fleet that signs in does not hammer it. */
const retryMs = 2000;

export function createIdentityProvider(parts: {
  readonly settings: SignInSettings;
  readonly clientSecret: string;
  readonly fetch: CustomFetch;
  /** Epoch milliseconds. */
  readonly clock: () => number;
}): IdentityProvider {
  const { settings, clock } = parts;
  let known: { readonly configuration: Configuration; readonly at: number } | undefined;
  let failed: { readonly refusal: Refusal; readonly at: number } | undefined;
  let asking: Promise<Configuration | Refusal> | undefined;

  const ask = async (): Promise<Configuration | Refusal> => {
    const found = await discover(settings, parts.clientSecret, parts.fetch);
    asking = undefined;
    if (isRefusal(found)) {
      failed = { refusal: found, at: clock() };
      return known?.configuration ?? found;
    }
    failed = undefined;
    known = { configuration: found, at: clock() };
    return found;
  };

  return {
    async configuration() {
      const now = clock();
      if (known !== undefined && now - known.at < freshMs) return known.configuration;
      if (failed !== undefined && now - failed.at < retryMs) return known?.configuration ?? failed.refusal;
      return (asking ??= ask());
    },
  };
}

async function discover(
  settings: SignInSettings,
  clientSecret: string,
  fetch: CustomFetch,
): Promise<Configuration | Refusal> {
  try {
    const configuration = await discovery(
      new URL(settings.issuer),
      settings.clientId,
      { id_token_signed_response_alg: settings.idTokenAlgorithm },
      authenticateWith(clientSecret),
      {
        [customFetch]: fetch,
        timeout: settings.timeoutMs / 1000,
        // That the token came over TLS would do by the letter (OpenID Connect Core, section 3.1.3.7); but a signature that
        // is there and not verified is how gateways were entered.
        execute: [enableNonRepudiationChecks],
      },
    );
    // Some providers have one address for all their customers, whose tokens then say any of them as issuer.
    const { issuer } = configuration.serverMetadata();
    return new URL(issuer).href === new URL(settings.issuer).href
      ? configuration
      : refuse('identity-provider-misconfigured', `the provider calls itself ${issuer}`);
  } catch (error) {
    return refusalOfProviderError(error);
  }
}

/** By HTTP Basic, which is what a client has that was registered with nothing else said; where it is not taken, by body. */
function authenticateWith(clientSecret: string): ClientAuth {
  const [basic, post] = [ClientSecretBasic(clientSecret), ClientSecretPost(clientSecret)];
  return (server, client, body, headers) => {
    const methods = server.token_endpoint_auth_methods_supported;
    const authenticate = (methods?.includes('client_secret_basic') ?? true) ? basic : post;
    return authenticate(server, client, body, headers);
  };
}
