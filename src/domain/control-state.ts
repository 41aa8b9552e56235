import type { Role, Scope } from './administration.ts';
import type { Device, DeviceChange, DeviceRole } from './device.ts';
import type { AppName, DeviceId, NetworkName, UserName } from './ids.ts';
import type { Proposal } from './proposal.ts';
import type { Administrator, App, Firewall, Group, Network, Policy } from './resources.ts';
import type { EndedSignIn } from './sign-in.ts';

/** A place in the ledger: how many events, and the hash of the last. Two equal heads mean equal state. */
export interface LedgerHead {
  readonly sequence: number;
  /** Lower-case hexadecimal SHA-256; 64 zeros before the first event. */
  readonly hash: string;
}

/** One-time enrollment token as it rests: the secret is known only by its hash. */
export interface EnrollmentToken {
  readonly id: string;
  /** base64url SHA-256 of the secret. */
  readonly secretHash: string;
  readonly user: UserName;
  readonly role: DeviceRole;
  readonly network?: NetworkName;
  /** It is the challenge of SCEP, and good for nothing else; without it, for all but that. */
  readonly protocol?: 'scep';
  /** Epoch seconds. */
  readonly expiresAt: number;
  readonly usedBy?: DeviceId;
  /** Epoch seconds. Withdrawn unused: it enrolls nobody. */
  readonly withdrawnAt?: number;
}

/** How a machine, or a person without an identity provider, administers. */
export interface ApiKey {
  readonly id: string;
  /** Unique for ever: the ledger and the access log say by it who did something. */
  readonly name: string;
  /** base64url SHA-256 of the secret. */
  readonly secretHash: string;
  readonly role: Role;
  /** What of its role the key is for; all of it without. */
  readonly scopes?: readonly Scope[];
  /** Who made it, or made the key that made it; see `personOf`. */
  readonly person?: UserName;
  /** Epoch seconds. */
  readonly createdAt: number;
  readonly expiresAt?: number;
  readonly revokedAt?: number;
}

/** Public half of a signing key; workers and applications verify with it. */
export interface PublishedKey {
  readonly kid: string;
  readonly use: 'session' | 'assertion';
  readonly jwk: { readonly kty: 'EC'; readonly crv: 'P-256'; readonly x: string; readonly y: string };
  /** Epoch seconds. After `retiredAt` plus the longest token lifetime nothing signed by it is accepted. */
  readonly publishedAt: number;
  readonly retiredAt?: number;
}

/** A time that a restored ledger knows nothing of. Epoch seconds. */
export interface LostTime {
  readonly from: number;
  readonly to: number;
}

/** The fold of the ledger: all lasting control state. Readers treat it as read-only; only the fold writes. */
export interface ControlState {
  head: LedgerHead;
  /** The organisation's domain: trust domain of the SPIFFE identifiers. */
  domain: string;
  readonly devices: Map<DeviceId, Device>;
  /** Of each device, oldest first: `maxDeviceChanges` of them. */
  readonly deviceHistory: Map<DeviceId, readonly DeviceChange[]>;
  readonly networks: Map<NetworkName, Network>;
  readonly apps: Map<AppName, App>;
  readonly groups: Map<string, Group>;
  readonly policies: Map<string, Policy>;
  readonly administrators: Map<string, Administrator>;
  readonly firewalls: Map<string, Firewall>;
  readonly enrollmentTokens: Map<string, EnrollmentToken>;
  readonly apiKeys: Map<string, ApiKey>;
  readonly signingKeys: Map<string, PublishedKey>;
  /** By id of the sign-in, or `endedSession` or `endedSubject`; those of more than a day ago are forgotten. */
  readonly endedSignIns: Map<string, EndedSignIn>;
  /** Ids of keys that were destroyed, with when, in epoch seconds: a copy of one that turns up goes again. */
  readonly erasedPeople: Map<string, number>;
  /** One for each backup that was restored. */
  lostTimes: readonly LostTime[];
  /** Changes that wait for a second administrator; some of them may have expired. */
  readonly proposals: Map<string, Proposal>;
}
