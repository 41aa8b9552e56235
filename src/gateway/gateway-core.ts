import type { Exchange } from './exchange.ts';
import type { ForwardedHeaders } from './forwarded-headers.ts';
import type { Forwarder } from './forward.ts';
import type { GatewayParts } from './gateway-parts.ts';
import type { LiveFlows } from './grants.ts';
import type { AppTable } from '../routing/app-table.ts';
import type { UpstreamChoice } from '../routing/upstream-choice.ts';
import type { Subject } from '../domain/subject.ts';

/** What the steps share, made once a worker. */
export interface GatewayCore extends GatewayParts {
  readonly live: LiveFlows;
  readonly forwarder: Forwarder;
  readonly forwardedHeaders: ForwardedHeaders;
  readonly choice: UpstreamChoice;
  readonly counters: { requests: number; records: number; readonly refusals: Map<string, number> };
  /** Where requests may go now. */
  readonly routes: () => {
    readonly table: AppTable;
    readonly gatewayName: string;
    readonly listenerPort: number;
  };
  /** A connection has a new token: record it, and let live flows go on under it or end. */
  readonly tokenAccepted: (exchange: Exchange, subject: Subject) => void;
}
