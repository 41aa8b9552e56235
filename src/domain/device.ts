import type { DeviceId, NetworkName, UserName } from './ids.ts';

export const deviceStates = ['active', 'quarantined', 'revoked', 'lost'] as const;
/** `active` may use what policies allow; the others are refused, `revoked` and `lost` for good. */
export type DeviceState = (typeof deviceStates)[number];

export const deviceRoles = ['laptop', 'connector'] as const;
export type DeviceRole = (typeof deviceRoles)[number];

/** A certificate that the device authority issued; one the ledger does not know is refused. */
export interface IssuedCertificate {
  /** Upper-case hexadecimal, as OpenSSL prints it, without leading zeros. */
  readonly serial: string;
  /** base64url SHA-256 of the DER, as in `cnf.x5t#S256` (RFC 8705). */
  readonly thumbprint: string;
  /** Epoch seconds. */
  readonly notAfter: number;
}

export interface Device {
  readonly id: DeviceId;
  /** Who enrolled it, and who its tokens speak for until an identity provider is configured. */
  readonly user: UserName;
  readonly role: DeviceRole;
  /** Of a connector: the one private network it may serve. */
  readonly network?: NetworkName;
  readonly state: DeviceState;
  /** Why it is in this state, and who said so. */
  readonly reason?: string;
  readonly changedBy?: string;
  /** Epoch seconds. */
  readonly enrolledAt: number;
  readonly changedAt: number;
  /** Newest last; expired ones are dropped at renewal. */
  readonly certificates: readonly IssuedCertificate[];
}
