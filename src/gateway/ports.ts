import type { BrowserProof, BrowserSession } from '../contract/ipc.ts';
import type { Refusal } from '../contract/refusals.ts';
import type { Settings } from '../contract/settings.ts';
import type { ControlState } from '../domain/control-state.ts';
import type { FlowRecorder } from '../domain/flow.ts';
import type { App } from '../domain/resources.ts';
import type { PolicyEngine } from '../policy/engine.ts';
import type { Dialer } from '../routing/dialer.ts';
import type { DataLossScanner } from './data-loss/data-loss-scanner.ts';
import type { MalwareScanner } from './malware/malware-scanner.ts';
import type { Waf } from './waf/waf.ts';

/** Constant messages, facts in fields; pino is one. */
export interface GatewayLog {
  debug(facts: object, message: string): void;
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

export interface GatewayCertificates {
  /** Leaf first. */
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** Everything of the outside world that a gateway uses. */
export interface GatewayPorts {
  readonly settings: Settings;
  /** The fold to start from; the gateway moves it on and is its only owner. */
  readonly snapshot: ControlState;
  readonly certificate: GatewayCertificates;
  /** What clients' certificates must chain to: the self-signed twin of the device authority, and nothing above it. */
  readonly deviceAuthorityPem: string;
  /** Also trusted where it is given: the authority of managed devices, self-signed. */
  readonly managedAuthorityPem?: string | undefined;
  readonly rootPem: string;
  readonly assertionKey: { readonly kid: string; readonly privateKeyPem: string };
  readonly engine: PolicyEngine;
  readonly dialer: Dialer;
  readonly recorder: FlowRecorder;
  /** Signs for the host of that app; answers the chain without its root, leaf first. */
  readonly certifyApp: (app: App, csrPem: string) => Promise<string>;
  /** Gets the session token for what a browser shows. Never rejects. */
  readonly openBrowserSession: (proof: BrowserProof) => Promise<BrowserSession | Refusal>;
  /** Authorities of https upstreams beside the system's. */
  readonly upstreamAuthoritiesPem?: string;
  /** Epoch milliseconds. */
  readonly clock: () => number;
  readonly log: GatewayLog;
  /** Rules for requests; applications that ask for them have none without. */
  readonly waf?: Waf;
  /** Finds malware; applications that ask for that have none without. */
  readonly malwareScanner?: MalwareScanner | undefined;
  /** Looks for protected data; applications that ask for that have none without. */
  readonly dataLossScanner?: DataLossScanner | undefined;
  /** Lets several workers share the port. */
  readonly reusePort?: boolean;
}
