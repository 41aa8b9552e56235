import type { Logger } from 'pino';
import type { RefusalCode } from '../../src/contract/refusals.ts';
import type { PeerProblem } from '../control/problem.ts';
import type { Language } from '../language.ts';
import type { Actions, createFormReader } from '../page/actions.ts';
import type { Refused } from '../page/recent-refusals.ts';
import type { Carrier } from '../session/carrier.ts';
import type { BulkTargets } from './bulk-targets.ts';
import type { AgentStatus } from '../status.ts';
import type { WhyReport } from '../why/report.ts';

/** The status page, as far as it is more than the status. */
export interface LocalPage {
  readonly form: ReturnType<typeof createFormReader>;
  readonly actions: Actions;
  readonly refusals: () => readonly Refused[];
  /** Shows one that the agent itself made, of which the program at the other end can be told little. */
  readonly noteRefused: (problem: PeerProblem) => void;
}

/** What the local proxy works with. */
export interface ProxyContext {
  readonly carrier: Pick<Carrier, 'session' | 'recover' | 'noteRefusal' | 'config' | 'view'>;
  /** The application's host that an address of this laptop stands for, where it stands for one. */
  readonly hostAt: (address: string) => string | undefined;
  readonly bulk: BulkTargets;
  /** Measured anew at each call. */
  readonly status: () => Promise<AgentStatus>;
  /** Walks the way to an application. */
  readonly why: (asked: string, language: Language) => Promise<WhyReport>;
  /** What the status page shows and does beside the status. */
  readonly page: LocalPage;
  readonly language: Language;
  readonly log: Logger;
  /** The last lines of it. */
  readonly recentLog: () => readonly string[];
  readonly limits: ProxyLimits;
}

/** What a program is told when there is no way to the gateway: what the user can do about it, where that is known. */
export const whyNoSession = (carrier: Pick<Carrier, 'view'>): RefusalCode =>
  carrier.view().state === 'sign-in-required' ? 'sign-in-required' : 'agent-not-connected';

export interface ProxyLimits {
  readonly maxConnections: number;
  readonly maxHeaderBytes: number;
  readonly headersTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  /** How long a new flow waits for a session before it is told that there is none. */
  readonly sessionWaitMs: number;
  /** How long the gateway may take to say yes or no to a tunnel. */
  readonly tunnelTimeoutMs: number;
}

export const defaultProxyLimits: ProxyLimits = {
  maxConnections: 2048,
  maxHeaderBytes: 64 * 1024,
  headersTimeoutMs: 10_000,
  keepAliveTimeoutMs: 60_000,
  sessionWaitMs: 8000,
  tunnelTimeoutMs: 60_000,
};
