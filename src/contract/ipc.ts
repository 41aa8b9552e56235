import type { ControlState } from '../domain/control-state.ts';
import type { DeviceId } from '../domain/ids.ts';
import type { LedgerEntry } from '../domain/events.ts';
import type { FlowClass } from '../domain/flow.ts';
import type { Attach } from '../domain/resources.ts';
import type { RefusalCode } from './refusals.ts';
import type { Settings } from './settings.ts';
import type { SinkHealth } from './sinks.ts';

/**
 * Messages between the processes of one server. The supervisor relays `for-control` and `for-worker` unread and
 * understands only dialling, networks and readiness. Node serializes them with `serialization: 'advanced'`.
 */

/** `host:port` of a registered upstream; what is spoken there is the worker's business, not the connector's. */
export interface UpstreamAddress {
  readonly host: string;
  readonly port: number;
  /** Absent: TCP. A port is registered for one of them, and says nothing of the other. */
  readonly transport?: 'udp';
}

export type DialFailure =
  | 'connector-unavailable'
  | 'not-registered'
  | 'unreachable'
  | 'timeout'
  | 'name-unresolved'
  /** The socket came from another network than the one that was asked: it is closed, and refused as `isolation-breach`. */
  | 'isolation-breach';

// worker -> supervisor
export type WorkerMessage =
  | { readonly type: 'ready'; readonly port: number }
  | {
      readonly type: 'dial';
      readonly id: number;
      readonly network: string;
      readonly upstream: UpstreamAddress;
    }
  | { readonly type: 'for-control'; readonly message: WorkerToControl };

// supervisor -> worker
export type SupervisorToWorker =
  /** The socket's raw handle travels beside the message. `address` is the numeric address that was dialled. */
  | { readonly type: 'dialled'; readonly id: number; readonly network: string; readonly address: string }
  | {
      readonly type: 'dial-failed';
      readonly id: number;
      readonly failure: DialFailure;
      readonly detail: string;
    }
  | { readonly type: 'from-control'; readonly message: ControlToWorker }
  /**
   * Take nothing new, finish what runs, exit 0. Only this: SIGINT and SIGTERM, which a terminal and systemd send to all
   * processes, are for the supervisor to understand and for workers to ignore; `disconnect` means that it is gone: exit.
   */
  | { readonly type: 'drain' };

/** What a worker needs to know of an operator's numbers. */
export interface WorkerCounters {
  readonly connections: number;
  readonly flowsOpen: number;
  readonly requestsTotal: number;
  readonly refusalsTotal: Readonly<Record<string, number>>;
  readonly recordsWritten: number;
  /** Room for records: whether there is none for new flows, what all take, and how many were left out. */
  readonly records: {
    readonly isFull: boolean;
    readonly bytes: number;
    readonly dropped: Readonly<Record<FlowClass, number>>;
  };
  readonly residentBytes: number;
}

/** What a browser without an agent showed a worker on a connection of that certificate to that host. */
export interface BrowserProof {
  /** The one-time code that the control plane sent it here with, or the cookie that it was given for that. */
  readonly kind: 'code' | 'cookie';
  readonly value: string;
  readonly device: string;
  readonly thumbprint: string;
  readonly host: string;
}

export interface BrowserSession {
  /** Session token, bound to the certificate. */
  readonly token: string;
  /** For a code: the cookie that takes its place, and path and query of where the browser wanted to go. */
  readonly handedOver?: { readonly cookie: string; readonly maxAgeSeconds: number; readonly to: string };
}

/** How far this machine's clock is ahead of another one, and whose that is; null where there is none to ask. */
export interface ClockOffset {
  readonly offsetMs: number | null;
  readonly against: 'redis' | 'chrony' | null;
}

export type WorkerToControl =
  /** A new worker asks for its `start`. For one that runs already the supervisor says it to a restarted control process. */
  | { readonly type: 'hello' }
  /** The worker makes the key; only the request leaves it. */
  | { readonly type: 'certify-app'; readonly id: number; readonly app: string; readonly csr: string }
  /** Only the control process can open what browsers show, and sign a session token for it. */
  | { readonly type: 'open-browser-session'; readonly id: number; readonly proof: BrowserProof }
  /** All changes up to `sequence` are in force here and what they ended is cut. */
  | { readonly type: 'applied'; readonly sequence: number }
  | { readonly type: 'counters'; readonly counters: WorkerCounters };

/** Structured-clone copy of the fold: Maps travel as they are. */
export type StateSnapshot = ControlState;

/** The rule files that requests are inspected by, or why there are none. */
export type CoreRuleSet =
  | { readonly files: Readonly<Record<string, string>>; readonly problem?: undefined }
  | { readonly problem: string; readonly files?: undefined };

export interface WorkerStart {
  readonly settings: Settings;
  readonly bootId: string;
  readonly workerNumber: number;
  /** Where this worker spools its flow records; a worker opens no other file. */
  readonly flowDirectory: string;
  readonly rootPem: string;
  /**
   * What the gateway trusts as `ca` for clients: `createTrustAnchor` of the device authority (certs/trust-anchor.ts), not
   * its certificate from the root, which OpenSSL does not take for the end of a chain.
   */
  readonly deviceAuthorityPem: string;
  /** The self-signed authority of managed devices, where the settings have `managedDevices`. */
  readonly managedAuthorityPem?: string | undefined;
  readonly serviceAuthorityPem: string;
  /** The gateway's own certificate (leaf first) and key. */
  readonly gatewayCertificatePem: string;
  readonly gatewayKeyPem: string;
  readonly clock: ClockOffset;
  /** Signs `Postern-Assertion`; the session key never reaches a worker. PKCS#8 PEM. */
  readonly assertionKey: { readonly kid: string; readonly privateKeyPem: string };
  /** What `upstreamAuthorities` of the settings names, read by whoever may read files. */
  readonly upstreamAuthoritiesPem?: string;
  /** What `inspection` of the settings names, read by whoever may read files. */
  readonly coreRuleSet: CoreRuleSet;
  readonly snapshot: StateSnapshot;
}

export type ControlToWorker =
  /**
   * The first message to a worker. A later one means that the control process was started again and what it said in
   * between may be lost: the snapshot replaces the state (and cuts what it denies), keys and certificates are taken over,
   * open `certify-app` questions are asked again; listener, connections and flow records go on.
   */
  | { readonly type: 'start'; readonly start: WorkerStart }
  | { readonly type: 'ledger'; readonly entries: readonly LedgerEntry[] }
  | { readonly type: 'app-certificate'; readonly id: number; readonly certificatePem: string }
  | { readonly type: 'app-certificate-refused'; readonly id: number; readonly detail: string }
  | { readonly type: 'browser-session'; readonly id: number; readonly session: BrowserSession }
  | {
      readonly type: 'browser-session-refused';
      readonly id: number;
      readonly code: RefusalCode;
      readonly detail: string;
    }
  /** On the sessions that this device has here. */
  | { readonly type: 'ask-posture'; readonly device: DeviceId }
  /** How far this machine's clock is from another one's, for the records. */
  | { readonly type: 'clock'; readonly clock: ClockOffset }
  /** How the sinks of records do, for the heartbeat. */
  | { readonly type: 'sink-health'; readonly sinks: readonly SinkHealth[] }
  | { readonly type: 'gateway-certificate'; readonly certificatePem: string; readonly keyPem: string }
  | { readonly type: 'assertion-key'; readonly kid: string; readonly privateKeyPem: string };

/** One private network as the supervisor and its connector need it: the only source of what may be dialled. */
export interface NetworkRegistration {
  readonly name: string;
  readonly attach: Attach;
  readonly dns: readonly string[];
  readonly upstreams: readonly UpstreamAddress[];
}

// control -> supervisor
export type ControlMessage =
  | { readonly type: 'ready'; readonly controlPort: number | undefined; readonly operatorPort: number }
  /** It cannot start and starting it again would not help: settings, keys, data directory or ledger are at fault. */
  | { readonly type: 'fatal'; readonly detail: string }
  | { readonly type: 'networks'; readonly networks: readonly NetworkRegistration[] }
  | { readonly type: 'for-worker'; readonly worker: number | 'all'; readonly message: ControlToWorker };

// supervisor -> control
export type SupervisorToControl =
  | {
      readonly type: 'start';
      readonly configFile: string;
      readonly bootId: string;
      readonly role: 'all' | 'gateway' | 'control';
      readonly passphrase: string | undefined;
      /** Where workers listen already, when the control process is started again; port 0 is chosen only once. */
      readonly gatewayPort?: number;
      /** What it said in `ready` before it was started again: where the settings say 0, these are taken again. */
      readonly controlPort?: number;
      readonly operatorPort?: number;
    }
  /** A worker accepts connections: the gateway is ready with the first. */
  | { readonly type: 'worker-ready'; readonly worker: number; readonly port: number }
  | { readonly type: 'from-worker'; readonly worker: number; readonly message: WorkerToControl }
  | { readonly type: 'worker-gone'; readonly worker: number }
  /** How the sinks of flow records do, as their process says from time to time. */
  | { readonly type: 'sink-health'; readonly sinks: readonly SinkHealth[] }
  | { readonly type: 'drain' };

// shipper -> supervisor
export type ShipperMessage = { readonly type: 'sink-health'; readonly sinks: readonly SinkHealth[] };

// supervisor -> connector
export type SupervisorToConnector =
  | { readonly type: 'register'; readonly registration: NetworkRegistration }
  | {
      readonly type: 'dial';
      readonly id: number;
      readonly upstream: UpstreamAddress;
      readonly timeoutMs: number;
    };

// connector -> supervisor; with `dialled` goes the raw handle of the paused socket
export type ConnectorMessage =
  | { readonly type: 'ready' }
  /** `network` is the connector's own, which the supervisor holds against the one that was asked for. */
  | { readonly type: 'dialled'; readonly id: number; readonly network: string; readonly address: string }
  | {
      readonly type: 'dial-failed';
      readonly id: number;
      readonly failure: DialFailure;
      readonly detail: string;
    };
