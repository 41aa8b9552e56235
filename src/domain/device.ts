import type { DeviceId, NetworkName, UserName } from './ids.ts';

export const deviceStates = ['enrolled', 'active', 'quarantined', 'revoked', 'lost'] as const;
/**
 * `enrolled`: certified, and not yet seen with its posture. `active` may use what policies allow, `quarantined` what they
 * open to quarantined devices by name; `enrolled` is refused for now, `revoked` and `lost` for good.
 */
export type DeviceState = (typeof deviceStates)[number];

/** The states that people choose; `enrolled` is only ever the first. */
export const chosenStates = ['active', 'quarantined', 'revoked', 'lost'] as const;
export type ChosenState = (typeof chosenStates)[number];

/** What a device in a final state is told, by code of refusal. */
export const finalStates = { revoked: 'device-revoked', lost: 'device-lost' } as const;
export type FinalState = keyof typeof finalStates;

/** Nothing leads out of it: the laptop must be enrolled anew, as another device. */
export const isFinal = <Known extends Pick<Device, 'state'>>(
  device: Known,
): device is Known & { readonly state: FinalState } => Object.hasOwn(finalStates, device.state);

export const deviceRoles = ['laptop', 'machine', 'connector'] as const;
/** `machine`: a camera or a robot, which nobody signs in on. */
export type DeviceRole = (typeof deviceRoles)[number];
/** Roles of those whose flows the gateway carries. */
export const flowRoles = ['laptop', 'machine'] as const satisfies readonly DeviceRole[];

/** A certificate that the device authority issued; one the ledger does not know is refused. */
export interface IssuedCertificate {
  /** Upper-case hexadecimal, as OpenSSL prints it, without leading zeros. */
  readonly serial: string;
  /** base64url SHA-256 of the DER, as in `cnf.x5t#S256` (RFC 8705). */
  readonly thumbprint: string;
  /** Epoch seconds. */
  readonly notAfter: number;
  /** By the authority of managed devices. */
  readonly managed?: true;
}

export interface Device {
  readonly id: DeviceId;
  /** Who enrolled it, and who its tokens speak for until an identity provider is configured; of a machine, who answers for it. */
  readonly user: UserName;
  readonly role: DeviceRole;
  /** Of a connector: the one private network it may serve. */
  readonly network?: NetworkName;
  readonly state: DeviceState;
  /** Why it is in this state, and who said so. */
  readonly reason?: string;
  readonly changedBy?: string;
  /**
   * It becomes active by itself when its posture is accepted; with `sign-in`, only from a user who signed in after it came
   * into this state. What a person decides about it ends that.
   */
  readonly awaits?: 'posture' | 'sign-in';
  /** Its key was not made by itself: whoever had the bundle has it too. */
  readonly keyMadeElsewhere?: true;
  /** Epoch seconds. */
  readonly enrolledAt: number;
  readonly changedAt: number;
  /** Newest last; expired ones are dropped at renewal. */
  readonly certificates: readonly IssuedCertificate[];
}

/**
 * Whether the authority of managed devices certifies it. That is a fact of the device, from its first certificate to its
 * last: the two authorities are trusted by different people for different things, so none leads to the other.
 */
export const isManagedDevice = ({ certificates }: Pick<Device, 'certificates'>): boolean =>
  certificates.some(({ managed }) => managed === true);

/** One step in the life of a device. */
export interface DeviceChange {
  /** Epoch seconds. */
  readonly at: number;
  /** As in the ledger: `api-key:NAME`, `device:ID`. */
  readonly by: string;
  /** The state that it led to. */
  readonly state: DeviceState;
  /**
   * What a person wrote, or one of `enrollment`, `first-posture`, `grace-renewal`, `sign-in-and-posture`.
   */
  readonly reason: string;
}

/** What is kept of a life: the first change and the newest. The ledger has them all. */
export const maxDeviceChanges = 100;
