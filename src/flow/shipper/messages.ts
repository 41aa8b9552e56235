import type { Settings } from '../../contract/settings.ts';
import type { RetentionDays } from '../retention.ts';
import type { ResolvedSink } from '../sinks/resolved-sink.ts';

/** From the supervisor to the process that delivers flow records; what that one says is in contract/ipc.ts. */
export type SupervisorToShipper =
  | {
      readonly type: 'start';
      /** As its log calls it. */
      readonly name: 'sinks' | 'access-sinks';
      readonly recordDirectories: readonly string[];
      /** Of its cursors; the only directory that it writes to, but for those of file sinks. */
      readonly sinkDirectory: string;
      readonly archiveDirectory: string;
      readonly gateway: string;
      readonly retention: RetentionDays;
      readonly sinks: readonly ResolvedSink[];
      readonly domain: string;
      readonly bootId: string;
      readonly logLevel: Settings['log']['level'];
    }
  /** Deliver what is there, for so long at most, and exit 0. */
  | { readonly type: 'drain'; readonly withinMs: number };
