import { randomBytes } from 'node:crypto';
import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import type { Role } from '../../domain/administration.ts';
import type { ControlState } from '../../domain/control-state.ts';
import type { UserName } from '../../domain/ids.ts';
import { formatSignInId, isSignInEnded } from '../../domain/sign-in.ts';
import type { Sealer } from '../../identity/sealer.ts';
import { rolesOf } from '../api/administrator-roles.ts';
import { isRefusal } from '../api/refused.ts';
import type { BegunCode, BegunDeviceCode, Pending, SignIns } from './sign-ins.ts';

/** A person who administers, as a token says and the state confirms. */
export interface SignedInAdministrator {
  readonly user: UserName;
  readonly roles: readonly Role[];
  readonly signInId: string;
  /** Epoch seconds. */
  readonly expiresAt: number;
}

/** People who administer sign in like users, and get a token that opens the administration and nothing else. */
export interface AdministratorSignIns {
  beginCode(redirectUri: string): Promise<BegunCode | Refusal>;
  beginDeviceCode(): Promise<BegunDeviceCode | Refusal>;
  complete(
    transaction: string,
    parameters?: string,
  ): Promise<(SignedInAdministrator & { readonly token: string }) | Pending | Refusal>;
  /**
   * Asked at each request: whoever signed out has no use of a token from before, and whoever lost a role has not got it
   * any more. One without any can still sign out.
   */
  verify(token: string): SignedInAdministrator | Refusal;
}

const owner = 'administrator';
/** What a code began only a code ends, so that none of before counts once codes are off. */
const ownerOfCode = 'administrator by device code';
const purpose = 'administrator token';
/** A bearer token is whoever's has it, so it is good for an hour and not for a day. */
export const administratorTokenSeconds = 3600;

const Token = Compile(
  Type.Object(
    {
      user: Type.String(),
      claims: Type.Record(Type.String(), Type.Array(Type.String())),
      signInId: Type.String(),
      expiresAt: Type.Integer(),
    },
    { additionalProperties: false },
  ),
);

/**
 * The token is sealed for the control plane, under a key of its own purpose: no gateway can take it for a session token,
 * and no session token is one of these (CVE-2024-47616).
 */
export function createAdministratorSignIns(parts: {
  readonly signIns: SignIns;
  readonly sealer: Sealer;
  readonly state: () => ControlState;
  /**
   * Whether a code on another machine will do. It is begun by strangers, and what comes of it is bound to no
   * certificate: whoever has an administrator enter a code of theirs administers in that person's name.
   */
  readonly allowsDeviceCode: boolean;
  /** Epoch seconds. */
  readonly now: () => number;
}): AdministratorSignIns {
  const { signIns, sealer, state, allowsDeviceCode, now } = parts;

  const verify: AdministratorSignIns['verify'] = (token) => {
    const value = sealer.open(purpose, token);
    if (!Token.Check(value)) return refuse('administrator-token-invalid', 'not sealed for administration');
    const { user, claims, signInId, expiresAt } = value;
    if (expiresAt <= now()) return refuse('administrator-token-invalid', `expired at ${expiresAt}`);
    if (isSignInEnded(state().endedSignIns, signInId))
      return refuse('administrator-token-invalid', 'the sign-in has ended');
    const roles = rolesOf(state(), { user: user as UserName, claims });
    return { user: user as UserName, roles, signInId, expiresAt };
  };

  return {
    verify,
    beginCode: (redirectUri) => signIns.beginCode(owner, redirectUri, {}),
    beginDeviceCode: async () =>
      allowsDeviceCode ? signIns.beginDeviceCode(ownerOfCode, {}) : refuse('administrator-device-code-off'),
    async complete(transaction, parameters) {
      const isByCode = parameters === undefined;
      if (isByCode && !allowsDeviceCode) return refuse('administrator-device-code-off');
      const signedIn = await signIns.complete(isByCode ? ownerOfCode : owner, transaction, parameters);
      if (isRefusal(signedIn) || 'pending' in signedIn) return signedIn;
      const { user, claims, session, subject } = signedIn;
      const startedAt = now();
      const token = sealer.seal(purpose, {
        user,
        claims,
        signInId: formatSignInId({
          session,
          subject,
          startedAt,
          random: randomBytes(12).toString('base64url'),
        }),
        expiresAt: startedAt + administratorTokenSeconds,
      });
      const verified = verify(token);
      if (isRefusal(verified)) return verified;
      return verified.roles.length === 0
        ? refuse('role-missing', `${user} administers nothing`)
        : { ...verified, token };
    },
  };
}
