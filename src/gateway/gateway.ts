import type { BrowserProof, BrowserSession } from '../contract/ipc.ts';
import type { Refusal } from '../contract/refusals.ts';
import type { Settings } from '../contract/settings.ts';
import type { ControlState } from '../domain/control-state.ts';
import type { App } from '../domain/resources.ts';
import type { VerifiedToken } from '../domain/subject.ts';
import type { AppProbes } from './app-probes.ts';
import type { AppTable } from '../routing/app-table.ts';
import type { PolicyEngine } from '../policy/engine.ts';
import type { Assertions } from './assertions.ts';
import type { InspectionPlan } from './content/inspection-plan.ts';
import type { HeldBytes } from './content/held-bytes.ts';
import type { CutTunnels } from './protocol/cut-tunnels.ts';
import type { FlowLog } from './records/record-flow.ts';
import type { Grants } from './grants.ts';
import type { GatewayLog } from './ports.ts';
import type { Upstreams } from './upstream/upstreams.ts';
import type { Situations } from './records/situations.ts';
import type { Tunnels } from './tunnels/tunnel.ts';
import type { Waf } from './waf/waf.ts';

/** What the steps of the pipeline work with: one for each worker. */
export interface Gateway {
  readonly settings: Settings;
  /** The gateway's own host. */
  readonly name: string;
  readonly state: () => ControlState;
  readonly engine: PolicyEngine;
  /** Follows the ledger. */
  apps: AppTable;
  readonly grants: Grants;
  readonly record: FlowLog;
  readonly upstreams: Upstreams;
  readonly probes: AppProbes;
  readonly cutTunnels: CutTunnels;
  readonly assertions: Assertions;
  readonly tunnels: Tunnels;
  /** What an application has looked at; undefined for nothing. */
  readonly inspectionOf: (app: App) => InspectionPlan | undefined;
  readonly waf: Waf;
  /** What inspections found, for the security team. */
  readonly situations: Situations;
  /** Of bodies that are held back until they are inspected. */
  readonly heldBytes: HeldBytes;
  readonly maxInspectedBytes: number;
  /** As much of the end of a body is held back until there is a verdict. */
  readonly maxHeldTailBytes: number;
  readonly log: GatewayLog;
  /** Gets the session token for what a browser shows. Never rejects. */
  openBrowserSession(proof: BrowserProof): Promise<BrowserSession | Refusal>;
  verifyToken(raw: string, thumbprint: string, now: number): Promise<VerifiedToken | Refusal>;
  listenPort(): number;
  /** Epoch milliseconds. */
  now(): number;
  /** Epoch seconds. */
  nowSeconds(): number;
  isDraining(): boolean;
  isReady(): boolean;
}
