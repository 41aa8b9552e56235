import type { Decision } from './decision.ts';
import type { DeviceRole } from './device.ts';
import type { Finding } from './finding.ts';
import type { DeviceId, FlowId, NetworkName } from './ids.ts';
import type { InspectionOutcomes } from './inspection.ts';
import type { App } from './resources.ts';
import type { Subject } from './subject.ts';

/** Bytes as they were seen and times as they were measured: what flow records are made of. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** One TLS connection of a client, complete or failed. One object a connection, never changed: caches hang on it. */
export interface ConnectionFacts {
  readonly id: FlowId;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  readonly source: Endpoint;
  /** The listener that was reached. */
  readonly destination: Endpoint;
  /** Fingerprint of the client by its ClientHello; absent where there was none that could be read. */
  readonly ja4?: { readonly value: string; readonly a: string; readonly b: string; readonly c: string };
  readonly tls?: {
    readonly version: string;
    readonly cipher: string;
    readonly serverName?: string;
    readonly alpn?: string;
  };
  /** As presented; set also when it was refused, as far as it could be read. */
  readonly certificate?: {
    readonly device?: DeviceId;
    /** Of a device that is known. */
    readonly role?: DeviceRole;
    readonly serial: string;
    readonly issuer: string;
    readonly subject?: string;
    /** base64url SHA-256 of the DER. */
    readonly thumbprint: string;
    /** Epoch seconds. */
    readonly notBefore: number;
    readonly notAfter: number;
  };
}

/** Where a flow really went: the address that was dialled, inside which network. */
export interface DialledUpstream {
  readonly network: NetworkName;
  readonly address: string;
  readonly port: number;
}

/** Everything known about one request, tunnel or refusal when its record is written. */
export interface FlowFacts {
  readonly id: FlowId;
  /** The tunnel or agent session that carried it, where there is one. */
  readonly parent?: FlowId;
  readonly connection: ConnectionFacts;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  readonly subject?: Subject;
  readonly app?: App;
  readonly decision?: Decision;
  readonly upstream?: DialledUpstream;
  readonly request?: {
    readonly method: string;
    /** `host:port` or `host`, as asked for. */
    readonly authority: string;
    /** Path without query string. */
    readonly path: string;
    readonly scheme: 'http' | 'https';
    readonly httpVersion: '1.0' | '1.1' | '2.0';
    readonly userAgent?: string;
  };
  /** What inspectors did with it, of those that ran. */
  readonly inspections?: InspectionOutcomes;
}

/** How it ended. */
export interface FlowOutcome {
  /** Epoch milliseconds. */
  readonly endedAt: number;
  /** Status the client was given; absent when it got none. */
  readonly status?: number;
  /** From client to upstream, body or tunnel bytes. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Refusal code, when it was refused or failed. */
  readonly refusal?: string;
  /** For the SOC: what exactly was wrong. Never a secret. */
  readonly detail?: string;
  /** Who ended it. `gateway` when a grant ended or a limit was met. */
  readonly endedBy: 'client' | 'upstream' | 'gateway';
}

/** Ordinary flows, as the settings tell them apart: requests, and tunnels with upgraded connections. */
export const flowClasses = ['requests', 'tunnels'] as const;
export type FlowClass = (typeof flowClasses)[number];

/** What an open tunnel carried since its last record, and since it was opened. Bytes as in `FlowOutcome`. */
export interface TunnelTraffic {
  /** Epoch milliseconds: from then, up to then. */
  readonly since: number;
  readonly at: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly totalIn: number;
  readonly totalOut: number;
}

/** What became of the session of an agent: the connection that carries all flows of a laptop. */
export type SessionEvent =
  /** Its first token was accepted, or another one took its place. At epoch milliseconds. */
  | { readonly kind: 'open' | 'renew'; readonly at: number }
  /** Its connection ended; bytes are those on the wire. */
  | { readonly kind: 'close'; readonly outcome: FlowOutcome };

/**
 * The one place that flows are recorded. Calls never throw and never block; records are with the operating system
 * before `whenWritten` calls back, so an answer whose last byte waits for it cannot be forgotten by kill -9.
 */
export interface FlowRecorder {
  /** One HTTP request, answered, refused or broken off (OCSF 4002). An upgrade is recorded at its answer. */
  request(facts: FlowFacts, outcome: FlowOutcome): void;
  /** A CONNECT tunnel or upgraded connection starts to carry bytes (OCSF 4001, Open). */
  tunnelOpened(facts: FlowFacts): void;
  /** It goes on, and carried something since the last time (OCSF 4001, Traffic). */
  tunnelTraffic(facts: FlowFacts, traffic: TunnelTraffic): void;
  /** The same ends (OCSF 4001, Close), or never came to be (OCSF 4001, Refuse). */
  tunnelClosed(facts: FlowFacts, outcome: FlowOutcome): void;
  /** A handshake or a token that was accepted or refused (OCSF 3002). */
  authentication(facts: FlowFacts, outcome: FlowOutcome): void;
  /** Something that the security team should look at (OCSF 2004). Whoever acts on it waits for `whenSynced` first. */
  finding(finding: Finding): void;
  /** A session of an agent (OCSF 4014). The flow is the connection itself. */
  session(facts: FlowFacts, event: SessionEvent): void;
  /**
   * Calls back once everything recorded so far is with the operating system: in this turn of the event loop as a rule,
   * and not at all while it cannot be written, so whoever waits keeps a time-out of its own.
   */
  whenWritten(callback: () => void): void;
  /**
   * The same once the disk has it, so that a power cut does not take it back: for what must not be forgotten once its
   * effect is seen, which are refusals and sign-ins. All who wait share one sync.
   */
  whenSynced(callback: () => void): void;
  /**
   * Whether records can be written. While they cannot (disk full, I/O error), no new flow may start: refuse it as
   * `not-ready`. True again by itself when writing works again. Cheap enough to ask for each flow.
   */
  healthy(): boolean;
  /**
   * Whether there is room for the records of new flows of a class, which there is not from some bound on, while refusals,
   * sign-ins and findings are still written. Without it, no new one may start: refuse it as `not-ready`.
   */
  hasRoomFor(flowClass: FlowClass): boolean;
}
