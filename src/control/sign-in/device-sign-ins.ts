import { randomBytes } from 'node:crypto';
import type { BeginSignInRequest, BeginSignInResponse } from '../../contract/control-api.ts';
import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import type { SignInSettings } from '../../contract/settings.ts';
import type { ControlState } from '../../domain/control-state.ts';
import type { DeviceId, UserName } from '../../domain/ids.ts';
import { formatSignInId } from '../../domain/sign-in.ts';
import type { Sealer } from '../../identity/sealer.ts';
import type { SessionTokenContent } from '../../identity/session-token.ts';
import type { SignedInUser } from '../../identity/sign-in-claims.ts';
import { isRefusal } from '../api/refused.ts';
import { openSignInSession, sealSignInSession } from './sign-in-session.ts';
import type { SignInSession } from './sign-in-session.ts';
import type { Pending, SignIns } from './sign-ins.ts';

/** Users who sign in on their devices. */
export interface DeviceSignIns {
  begin(device: DeviceId, request: BeginSignInRequest): Promise<BeginSignInResponse | Refusal>;
  complete(
    device: DeviceId,
    transaction: string,
    parameters?: string,
  ): Promise<{ readonly session: SignInSession; readonly sealed: string } | Pending | Refusal>;
  /** The same for a user who came another way: may they sign in on the device, and what is then to be kept of it. */
  accept(
    device: DeviceId,
    signedIn: SignedInUser,
  ): { readonly session: SignInSession; readonly sealed: string } | Refusal;
  /** What a session token says of the sign-in that a device keeps: its user, claims, sign-in and end. */
  open(
    device: DeviceId,
    kept: string | undefined,
  ): Pick<SessionTokenContent, 'user' | 'claims' | 'signIn' | 'notAfter'> | Refusal;
}

export function createDeviceSignIns(parts: {
  readonly settings: SignInSettings;
  readonly signIns: SignIns;
  readonly sealer: Sealer;
  readonly state: () => Pick<ControlState, 'devices' | 'endedSignIns'>;
  /** Epoch seconds. */
  readonly now: () => number;
}): DeviceSignIns {
  const { settings, signIns, sealer, state, now } = parts;
  const ownerOf = (device: DeviceId): string => `device:${device}`;

  /** Asked again for each token: the settings and the device may have changed since. */
  const mayUse = (device: DeviceId, user: string): boolean =>
    settings.users === 'any' || state().devices.get(device)?.user === user;

  const accept: DeviceSignIns['accept'] = (device, signedIn) => {
    const { user, claims, at, mfa, session, subject } = signedIn;
    if (!mayUse(device, user)) return refuse('sign-in-wrong-user', `${user} on ${device}`);
    const startedAt = now();
    const random = randomBytes(12).toString('base64url');
    const made: SignInSession = {
      id: formatSignInId({ session, subject, startedAt, random }),
      device,
      user,
      claims: Object.fromEntries(Object.entries(claims).map(([name, values]) => [name, [...values]])),
      at,
      mfa,
      expiresAt: startedAt + settings.lifetimeSeconds,
    };
    return { session: made, sealed: sealSignInSession(sealer, made) };
  };

  return {
    begin: (device, request) =>
      request.flow === 'code'
        ? signIns.beginCode(ownerOf(device), request.redirectUri, request)
        : signIns.beginDeviceCode(ownerOf(device), request),

    async complete(device, transaction, parameters) {
      const signedIn = await signIns.complete(ownerOf(device), transaction, parameters);
      if (isRefusal(signedIn) || 'pending' in signedIn) return signedIn;
      return accept(device, signedIn);
    },
    accept,

    open(device, kept) {
      if (kept === undefined) return refuse('sign-in-required', 'none shown');
      const found = openSignInSession(sealer, kept, { device, now: now(), ended: state().endedSignIns });
      if (isRefusal(found)) return found;
      const { id, at, mfa, user, claims, expiresAt } = found;
      if (!mayUse(device, user)) return refuse('sign-in-wrong-user', `${user} on ${device}`);
      return { user: user as UserName, claims, signIn: { id, at, mfa }, notAfter: expiresAt };
    },
  };
}
