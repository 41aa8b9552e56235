import type { Role, Scope } from './administration.ts';
import type { ChosenState, DeviceRole, IssuedCertificate } from './device.ts';
import type { DeviceId, NetworkName, UserName } from './ids.ts';
import type { PublishedKey } from './control-state.ts';
import type { ProposedChange } from './proposal.ts';
import type { Resource, ResourceKind } from './resources.ts';

/** What can happen to an organisation's control state. The ledger keeps these in order; the state is their fold. */
export type ControlEvent =
  | { readonly type: 'organization-created'; readonly domain: string }
  | { readonly type: 'key-published'; readonly key: PublishedKey }
  | { readonly type: 'key-retired'; readonly kid: string }
  | {
      readonly type: 'api-key-created';
      readonly id: string;
      readonly name: string;
      readonly secretHash: string;
      /** Without it, an owner: keys of the time before there were roles. */
      readonly role?: Role;
      readonly scopes?: readonly Scope[];
      /** Epoch seconds. */
      readonly expiresAt?: number;
    }
  | { readonly type: 'api-key-revoked'; readonly id: string }
  | {
      readonly type: 'enrollment-token-created';
      readonly id: string;
      readonly secretHash: string;
      readonly user: UserName;
      readonly role: DeviceRole;
      readonly network?: NetworkName;
      /** It is the challenge of SCEP, and good for nothing else; without it, for all but that. */
      readonly protocol?: 'scep';
      /** Epoch seconds. */
      readonly expiresAt: number;
    }
  /** It enrolls nobody any more. */
  | { readonly type: 'enrollment-token-withdrawn'; readonly id: string }
  | {
      readonly type: 'device-enrolled';
      readonly device: DeviceId;
      /** The token that this used up: both happen or neither. */
      readonly enrollmentToken: string;
      readonly user: UserName;
      readonly role: DeviceRole;
      readonly network?: NetworkName;
      readonly certificate: IssuedCertificate;
      /** Its first state, which its first posture ends. Without it the device is active at once. */
      readonly state?: 'enrolled';
    }
  | {
      /** Key and certificate were made for a device that cannot make its own, and carried to it as a bundle. */
      readonly type: 'device-bundle-made';
      readonly device: DeviceId;
      readonly user: UserName;
      readonly certificate: IssuedCertificate;
    }
  | {
      /** By the device itself: what it awaited has come. */
      readonly type: 'device-posture-accepted';
      readonly device: DeviceId;
    }
  | {
      readonly type: 'device-certificate-renewed';
      readonly device: DeviceId;
      readonly certificate: IssuedCertificate;
      /** The one before had expired: quarantine comes with it. */
      readonly late?: true;
      /** What ends that quarantine beside a person. */
      readonly awaits?: 'sign-in';
    }
  | {
      readonly type: 'device-state-changed';
      readonly device: DeviceId;
      readonly state: ChosenState;
      readonly reason: string;
    }
  /**
   * A user was signed out, here or at the identity provider: of the sign-in whose id it is, or of all those of a session
   * or a user of the provider (`endedSession`, `endedSubject`).
   */
  | { readonly type: 'sign-in-ended'; readonly id: string; readonly user: UserName; readonly reason: string }
  | {
      /** A change of resources that waits for a second administrator; nothing of it is done yet. */
      readonly type: 'change-proposed';
      readonly id: string;
      readonly changes: readonly ProposedChange[];
      /** Epoch seconds. */
      readonly expiresAt: number;
    }
  /** What it does follows as events of their own, in the same append. */
  | { readonly type: 'change-approved'; readonly id: string }
  | { readonly type: 'change-rejected'; readonly id: string; readonly reason: string }
  | { readonly type: 'resource-put'; readonly resource: Resource }
  | { readonly type: 'resource-deleted'; readonly kind: ResourceKind; readonly name: string }
  /**
   * The key of a person was destroyed, on whose pseudonyms in records nobody can be found any more. `person` is the id of
   * the key and names nobody.
   */
  | { readonly type: 'person-erased'; readonly person: string; readonly reason: string }
  /** A backup was restored: what the ledger was told from `from` (epoch seconds) until this entry is not in it. */
  | { readonly type: 'installation-restored'; readonly from: number };

/** What changes resources. */
export type ResourceEvent = Extract<ControlEvent, { type: 'resource-put' | 'resource-deleted' }>;

export type ControlEventType = ControlEvent['type'];

/** One event at its place in the chain: `hash` covers `previous` and every other field as stored. */
export interface LedgerEntry {
  readonly sequence: number;
  /** Epoch milliseconds. */
  readonly at: number;
  /** Who did it: `api-key:NAME`, `device:ID`, `postern:init`, `postern:rotation`, `postern:restore`. */
  readonly actor: string;
  /** The event as the exact JSON text that was hashed. */
  readonly data: string;
  readonly previous: string;
  readonly hash: string;
}
