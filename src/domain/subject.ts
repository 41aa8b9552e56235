import type { DeviceId, UserName } from './ids.ts';
import type { Posture } from './posture.ts';

/** The client certificate of a connection after OpenSSL verified its chain and our profile accepted it. */
export interface VerifiedCertificate {
  readonly device: DeviceId;
  readonly serial: string;
  /** base64url SHA-256 of the DER (RFC 8705 `x5t#S256`). */
  readonly thumbprint: string;
  readonly issuer: string;
  /** Epoch seconds. */
  readonly notBefore: number;
  readonly notAfter: number;
}

const spiffeScheme = 'spiffe://';

/** Under which name a machine without a user asks: its SPIFFE identifier. */
export const machineName = (domain: string, device: DeviceId): UserName =>
  `${spiffeScheme}${domain}/device/${device}` as UserName;

/** Whether a name is that of a machine. No user may bear one. */
export const isMachineName = (name: string): boolean => name.startsWith(spiffeScheme);

/** An interactive sign-in: somebody was there and proved who they are. */
export interface SignIn {
  readonly id: string;
  /** Epoch seconds. */
  readonly at: number;
  /** Whether it took more than one factor. */
  readonly mfa: boolean;
}

/** What a session token says, after its signature, times, audience and binding were verified. */
export interface VerifiedToken {
  readonly id: string;
  /** Of a machine: its own name (`machineName`). */
  readonly user: UserName;
  /** Under which name the user stands in records, where the organization wants no other there. */
  readonly pseudonym?: string | undefined;
  readonly device: DeviceId;
  /** Groups that the identity provider asserted; those that list their members are read from the state. */
  readonly claims: Readonly<Record<string, readonly string[]>>;
  readonly posture: Posture | undefined;
  /** What the token stems from; absent where the user never signed in interactively. */
  readonly signIn?: SignIn | undefined;
  /** Epoch seconds. */
  readonly issuedAt: number;
  readonly expiresAt: number;
}

/** What records call the user. */
export const recordedName = ({ token }: Subject): string => token.pseudonym ?? token.user;

/** Who asks: device and user, both proven. Authentication produces it; policy only reads it. */
export interface Subject {
  readonly certificate: VerifiedCertificate;
  readonly token: VerifiedToken;
}
