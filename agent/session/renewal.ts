import { renewalDue, renewCertificate } from '../enrollment/renew.ts';
import type { Renewed } from '../enrollment/renew.ts';
import type { Clock } from '../clock.ts';
import { startStopwatch } from '../clock.ts';
import type { DeviceApi } from '../control/device-api.ts';
import type { Credentials } from '../state/credentials.ts';
import { slowJitter } from './backoff.ts';
import type { Random } from './backoff.ts';

/** There are days to go when the first attempt fails, so there is no hurry. */
const retryLimits = { baseMs: 30_000, capMs: 1_800_000 };

/** When the certificate is to be renewed, and the trying of it. */
export interface Renewal {
  /** Milliseconds until the next attempt; 0 when that is now. */
  dueInMs(): number;
  /** Throws what renewCertificate and `keep` throw, and is due again later; never at once. */
  attempt(keep: (renewed: Credentials) => void, signal?: AbortSignal): Promise<Renewed>;
}

export function createRenewal(options: {
  readonly api: DeviceApi;
  readonly credentials: Credentials;
  /** The control plane issued it just now, so its life begins now, whatever the laptop's clock says. */
  readonly isNew: boolean;
  readonly expected: { readonly device: string; readonly domain: string };
  readonly clock: Clock;
  readonly random: Random;
}): Renewal {
  const { api, clock, credentials, expected, random } = options;
  const due = renewalDue(credentials, random);
  const since = startStopwatch(clock);
  // A clock that runs days ahead would find each new certificate due again, and renew without an end.
  const dueInSeconds = (): number =>
    options.isNew ? due - credentials.notBefore - since() : due - clock.now() / 1000;
  let failures = 0;
  let postponed: { readonly elapsed: () => number; readonly ms: number } | undefined;
  return {
    dueInMs: () =>
      postponed === undefined
        ? Math.max(0, dueInSeconds() * 1000)
        : Math.max(0, postponed.ms - postponed.elapsed() * 1000),
    attempt: async (keep, signal) => {
      try {
        const renewed = await renewCertificate(api, credentials, expected, new Date(clock.now()), signal);
        keep(renewed.credentials);
        return renewed;
      } catch (error) {
        postponed = { elapsed: startStopwatch(clock), ms: slowJitter(failures, retryLimits, random) };
        failures += 1;
        throw error;
      }
    },
  };
}
