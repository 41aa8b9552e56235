import { open, readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { SignInSettings } from '../../contract/settings.ts';
import type { ControlState } from '../../domain/control-state.ts';
import { createSealer } from '../../identity/sealer.ts';
import { DataDirectoryError } from '../store/open-data-directory.ts';
import type { FleetingStore } from '../fleeting/fleeting-store.ts';
import type { Fleeting } from '../fleeting/open-fleeting.ts';
import type { SigningKey } from '../../identity/signing-key.ts';
import { createAdministratorSignIns } from './administrator-sign-ins.ts';
import type { AdministratorSignIns } from './administrator-sign-ins.ts';
import { createBrowserSignIns } from './browser-sign-ins.ts';
import type { BrowserSignIns } from './browser-sign-ins.ts';
import { createDeviceSignIns } from './device-sign-ins.ts';
import type { DeviceSignIns } from './device-sign-ins.ts';
import { createIdentityProvider } from './identity-provider.ts';
import { createLogoutTokens } from './logout-tokens.ts';
import type { LogoutTokens } from './logout-tokens.ts';
import { createProviderFetch } from './provider-fetch.ts';
import { createSignIns } from './sign-ins.ts';
import { createTransactions } from './transaction.ts';

/** Sign-in, as routes use it. */
export interface SignInParts {
  readonly devices: DeviceSignIns;
  readonly administrators: AdministratorSignIns;
  readonly logouts: LogoutTokens;
  /** Absent where browsers without an agent have nowhere to go. */
  readonly browsers: BrowserSignIns | undefined;
}

const maxSecretBytes = 4096;

/**
 * Sign-in as the settings say, or undefined where they say nothing. The provider itself is not asked yet: that it is
 * away is no reason not to start. @throws DataDirectoryError for a secret or authorities that cannot be used.
 */
export async function openSignIn(options: {
  readonly settings: SignInSettings | undefined;
  /** The data directory, which paths of the settings are relative to. */
  readonly data: string;
  readonly deviceAuthorityKeyPem: string;
  readonly state: () => ControlState;
  readonly fleeting: Pick<Fleeting, 'of'>;
  /** Ports beside 443 where browsers reach gateways. */
  readonly gatewayPorts: () => ReadonlySet<string>;
  /** Signs session tokens now. */
  readonly sessionKey: () => SigningKey;
  readonly isLedgerAway: () => boolean;
  /** What records call a user from now on; the name without it. */
  readonly pseudonymOf?: (user: string) => Promise<string | undefined>;
  /** Epoch milliseconds. */
  readonly clock: () => number;
  readonly onClose: (step: () => Promise<void>) => void;
}): Promise<SignInParts | undefined> {
  const { settings, data, clock, state } = options;
  if (settings === undefined) return undefined;
  const clientSecret = await readSecret(resolve(data, settings.clientSecretFile));
  const authoritiesPem =
    settings.authorities === undefined
      ? undefined
      : await readAuthorities(resolve(data, settings.authorities));
  const http = createProviderFetch({ authoritiesPem, timeoutMs: settings.timeoutMs });
  options.onClose(() => http.close());
  const now = (): number => Math.floor(clock() / 1000);
  const sealer = createSealer(options.deviceAuthorityKeyPem);
  const provider = createIdentityProvider({ settings, clientSecret, fetch: http.fetch, clock });
  // What is used once is small, and forgotten after minutes.
  const remember = (kind: string): FleetingStore => options.fleeting.of(kind, { maxEntries: 100_000 });
  const transactions = createTransactions(sealer, {
    used: remember('sign-in-used'),
    polls: remember('sign-in-polls'),
  });
  const signIns = createSignIns({ settings, provider, transactions, now });
  const devices = createDeviceSignIns({ settings, signIns, sealer, state, now });
  const { browserUrl: url } = settings;
  const { gatewayPorts, sessionKey, isLedgerAway, pseudonymOf = async () => undefined } = options;
  return {
    devices,
    browsers:
      url === undefined
        ? undefined
        : createBrowserSignIns({
            usedCodes: remember('browser-codes-used'),
            url,
            signIns,
            devices,
            sealer,
            state,
            gatewayPorts,
            sessionKey,
            isLedgerAway,
            pseudonymOf,
            now,
          }),
    administrators: createAdministratorSignIns({
      signIns,
      sealer,
      state,
      allowsDeviceCode: settings.administratorDeviceCode === true,
      now,
    }),
    logouts: createLogoutTokens({ settings, provider, seen: remember('logout-tokens'), fetch: http.fetch }),
  };
}

/** The client's secret at the provider: the one line of a file that others cannot read. */
async function readSecret(path: string): Promise<string> {
  const file = await open(path, 'r').catch((error: unknown) => {
    throw new DataDirectoryError(`signIn.clientSecretFile: ${(error as Error).message}`, { cause: error });
  });
  try {
    // Asked of the open file, so that it cannot be exchanged between the look and the reading.
    const status = await file.stat();
    if (!status.isFile() || status.size > maxSecretBytes)
      throw new DataDirectoryError(`signIn.clientSecretFile: ${path} is not a file with a secret`);
    if (process.platform !== 'win32' && (status.mode & 0o077) !== 0)
      throw new DataDirectoryError(`signIn.clientSecretFile: others may read ${path}; run chmod 600 on it`);
    const secret = (await file.readFile('utf8')).trim();
    if (secret === '') throw new DataDirectoryError(`signIn.clientSecretFile: ${path} is empty`);
    return secret;
  } finally {
    await file.close();
  }
}

async function readAuthorities(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new DataDirectoryError(`signIn.authorities: ${(error as Error).message}`, { cause: error });
  }
}
