import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { RefusalCode } from '../../contract/refusals.ts';
import type { Settings } from '../../contract/settings.ts';
import type { Role, Scope } from '../../domain/administration.ts';
import type { VerifiedCertificate } from '../../domain/subject.ts';
import type { Searcher } from '../../flow/search/searcher.ts';
import type { CertificateSigner } from '../../enrollment/certificate-signer.ts';
import type { SigningKey } from '../../identity/signing-key.ts';
import type { LedgerStore } from '../../ledger/store.ts';
import type { PolicyEngine } from '../../policy/engine.ts';
import type { MediaType } from './content-type.ts';
import type { LostDeviceWatch } from '../devices/lost-devices.ts';
import type { AnswerMemory } from './answer-memory.ts';
import type { AccessLog } from '../records/access-log.ts';
import type { FailureLimit } from '../failure-limit.ts';
import type { FleetingSignals } from '../fleeting/fleeting-signals.ts';
import type { FleetingStore } from '../fleeting/fleeting-store.ts';
import type { ManagedDevices } from '../devices/managed-devices.ts';
import type { People } from '../people/people.ts';
import type { PostureMemory } from '../devices/posture-memory.ts';
import type { RateLimits } from './rate-limits.ts';
import type { AdministratorIdentity } from './require-administrator.ts';
import type { PublishedRevocationList } from '../devices/revocation-list.ts';
import type { SignInParts } from '../sign-in/open-sign-in.ts';
import type { ServerCertificate } from '../keys/server-certificate.ts';
import type { WorkerFleet } from '../workers/worker-fleet.ts';

/** A gateway as this control plane reaches its operator endpoints. */
export interface GatewayAddress {
  readonly id: string;
  /** Origin: `http://127.0.0.1:9464`. */
  readonly operator: string;
}

/** Everything that the routes need, passed in. */
export interface ControlParts {
  readonly store: Pick<LedgerStore, 'state' | 'commit' | 'read'>;
  readonly gateway: Pick<Settings['gateway'], 'name' | 'zone' | 'others'> & {
    /** `host:port`, none with port 0. */
    readonly addresses: () => readonly string[];
  };
  /** The server's own names, which no app may take. */
  readonly reservedHosts: readonly string[];
  readonly signer: CertificateSigner;
  readonly rootPem: string;
  /** Of the authority that `signer` signs with. */
  readonly deviceAuthorityPem: string;
  /** Of the same authority. */
  readonly revocationList: PublishedRevocationList;
  /** Where devices under a device management are let in. */
  readonly managed: ManagedDevices | undefined;
  /** For how long after the end of its certificate a device may renew it. */
  readonly graceSeconds: number;
  /** Signs session tokens now. */
  readonly sessionKey: () => SigningKey;
  /** What laptops' firewalls are signed with now. */
  readonly policySigner: () => Pick<ServerCertificate, 'chainPem' | 'keyPem'>;
  readonly fleet: WorkerFleet;
  readonly postures: PostureMemory;
  /** Reaches the gateways that a device may have sessions to. What is sent is its id. */
  readonly postureRequests: Pick<FleetingSignals, 'send'>;
  /** Of strangers, by address. */
  readonly failures: Readonly<Record<'enrollment' | 'scep' | 'logout' | 'administratorSignIn', FailureLimit>>;
  readonly lostDevices: LostDeviceWatch;
  /** Absent where no identity provider is configured. */
  readonly signIn: SignInParts | undefined;
  /** Knows the newest state. */
  readonly engine: Pick<PolicyEngine, 'explain' | 'decide'>;
  /** Administrators that a change of policies, groups, administrators or firewalls takes. */
  readonly approvals: 1 | 2;
  /** Behind the pseudonyms in records; undefined where they have names. */
  readonly people: People | undefined;
  readonly accessLog: Pick<AccessLog, 'record' | 'read'>;
  /** Searches the flow records of this server. */
  readonly flows: Pick<Searcher, 'ask' | 'follow' | 'buckets'>;
  /** From the settings; without any there, this server alone. */
  readonly gateways: () => readonly GatewayAddress[];
  readonly answers: AnswerMemory;
  readonly rateLimits: RateLimits;
  /** Of administrators, for these limits. */
  readonly requestCounts: FleetingStore;
  /**
   * The store cannot be asked what others have changed: what would rely on the newest state is refused. Changes are
   * refused by the store itself.
   */
  readonly isLedgerAway: () => boolean;
  /** Epoch milliseconds. */
  readonly clock: () => number;
  /** How long an answer waits for workers. Past it the change stands, and the answer says how many are pending. */
  readonly enforcementTimeoutMs: number;
}

export type ControlApp = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by requireAdministrator only: who administers. */
    administrator: AdministratorIdentity | undefined;
    /** Of a browser that comes back from the identity provider: where its sign-in can begin again. */
    signInAgain: string | undefined;
    /** What of a body the access log names, set by routes that read with one. */
    readTarget: Readonly<Record<string, string>> | undefined;
    /** Set by honorIdempotencyKeys only, from claim to answer. */
    idempotency:
      | {
          readonly key: string;
          readonly given: string;
          readonly fingerprint: string;
          /** Set by sendProblem for a refusal of what is or may be done all the same. */
          mayBeDone?: true;
        }
      | undefined;
    /** Set by recordReads only: how many the answer shows. */
    shown: number | undefined;
    /** Set by requireDevice only: whose certificate the connection proved. */
    device: VerifiedCertificate | undefined;
  }
  interface FastifyContextConfig {
    /** Of a route of administrators: who may use it. Without it, such a route does not start. */
    roles?: readonly Role[];
    /** Of a route of administrators: whoever signed in may use it, also when every role was taken from them since. */
    admitsWithoutRole?: boolean;
    /** Of a route of administrators: the scope that a narrowed key must have. Made of path and method without it. */
    scope?: Scope;
    /** False for a route that reads and shows nothing about people: it is not in the access log. */
    isRecorded?: boolean;
    /** What this route alone refuses, for its description; see describe-routes.ts for the rest. */
    refusals?: readonly RefusalCode[];
    /** Of a route that changes something only if it still is as `If-Match` says. */
    honorsIfMatch?: boolean;
    /** Of the body; JSON without it. */
    mediaType?: MediaType;
    /** People open it in a browser: a refusal is a page where they ask for one. */
    isPage?: boolean;
  }
}

/** Epoch seconds, as certificates and tokens count. */
export const nowSeconds = (parts: Pick<ControlParts, 'clock'>): number => Math.floor(parts.clock() / 1000);
