import type { Clock } from '../clock.ts';
import type { DeviceApi } from '../control/device-api.ts';
import type { PostureProvider } from '../posture/posture-provider.ts';
import type { Credentials } from '../state/credentials.ts';
import type { SessionCache } from '../state/session-cache.ts';
import type { Random } from './backoff.ts';
import { createRenewal } from './renewal.ts';
import type { Renewal } from './renewal.ts';
import { createTokenKeeper } from './token-keeper.ts';
import type { TokenKeeper } from './token-keeper.ts';

/**
 * One certificate with the tokens that are bound to it. After a renewal the old one lives on beside the new: its
 * sessions still carry flows, and only tokens bound to it keep them alive.
 */
export interface Identity {
  readonly credentials: Credentials;
  readonly tokens: TokenKeeper;
  readonly renewal: Renewal;
  isExpired(): boolean;
}

export interface IdentityOptions {
  readonly api: DeviceApi;
  readonly device: string;
  readonly domain: string;
  readonly posture: PostureProvider;
  readonly signIn: () => string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly onToken: () => void;
}

export function createIdentity(
  options: IdentityOptions,
  credentials: Credentials,
  from: { readonly cached?: SessionCache['token'] | undefined; readonly isNew: boolean },
): Identity {
  return {
    credentials,
    tokens: createTokenKeeper({ ...options, credentials, cached: from.cached }),
    renewal: createRenewal({ ...options, credentials, isNew: from.isNew, expected: options }),
    isExpired: () => options.clock.now() / 1000 > credentials.notAfter,
  };
}
