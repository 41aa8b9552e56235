import type { Logger } from 'pino';
import { describeError } from '../agent-error.ts';
import type { DeviceApi } from '../control/device-api.ts';
import type { Credentials } from '../state/credentials.ts';
import { loadSignIn, removeSignIn } from '../state/kept-sign-in.ts';
import { removeSessionCache } from '../state/session-cache.ts';
import type { StatePaths } from '../state/state-directory.ts';

/**
 * Signs the user out from within the agent. First here: whatever becomes of the rest, this laptop shows the sign-in to
 * nobody again. Where the control plane cannot be told, that is logged, and what was open ends with its token.
 */
export async function signOutUser(parts: {
  readonly paths: StatePaths;
  readonly api: Pick<DeviceApi, 'signOut'>;
  readonly credentials: Credentials;
  readonly log: Logger;
  /** What follows from it on this laptop. */
  readonly onForgotten: () => void;
}): Promise<void> {
  const { paths, api, credentials, log } = parts;
  const kept = loadSignIn(paths.signIn);
  removeSignIn(paths.signIn);
  removeSessionCache(paths.cache);
  parts.onForgotten();
  if (kept === undefined) return;
  try {
    await api.signOut(credentials, kept.signIn);
  } catch (error) {
    log.warn({ reason: describeError(error) }, 'control plane not told that the user signed out');
  }
}
