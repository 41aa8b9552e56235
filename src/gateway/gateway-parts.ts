import type { Logger } from 'pino';
import type { Settings } from '../contract/settings.ts';
import type { ControlState } from '../domain/control-state.ts';
import type { FlowRecorder } from '../domain/flow.ts';
import type { SigningKey } from '../identity/signing-key.ts';
import type { TokenVerifier } from '../identity/session-token.ts';
import type { PolicyEngine } from '../policy/engine.ts';
import type { Dialer } from '../routing/dialer.ts';

/** Certificate (leaf first) and key of a server name. */
export interface ServerIdentity {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

/** What the policy enforcement point stands on. Everything that touches clock, disk or another process is passed in. */
export interface GatewayParts {
  readonly settings: Settings;
  /** The live fold; it moves before `changed` is called. */
  readonly state: ControlState;
  readonly engine: PolicyEngine;
  readonly verifier: TokenVerifier;
  readonly dialer: Dialer;
  readonly recorder: FlowRecorder;
  /** `ca` for client certificates: the device authority's trust anchor and nothing else. */
  readonly clientAuthorityPem: string;
  readonly gatewayIdentity: ServerIdentity;
  /** Makes a key and has it certified for exactly this app's host. */
  readonly identityOf: (app: string, host: string) => Promise<ServerIdentity>;
  readonly assertionKey: () => SigningKey;
  /** PEM authorities for https upstreams beside the system's. */
  readonly upstreamAuthorities: readonly string[];
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly log: Logger;
}
