import type { FlowFacts, FlowRecorder } from '../domain/flow.ts';
import type { FlowId } from '../domain/ids.ts';
import { createAuthentication } from './authentication.ts';
import { createContexts } from './context.ts';
import type { Context } from './context.ts';
import { formatRecord } from './envelope.ts';
import type { Draft } from './envelope.ts';
import { createHttpActivity } from './http-activity.ts';
import { createNetworkActivity } from './network-activity.ts';
import { createTunnelActivity } from './tunnel-activity.ts';
import { openSpool } from './spool.ts';
import { createUuidV7 } from './uuid.ts';

export interface FlowRecorderOptions {
  /** Exists and belongs to this worker's user; several workers may share it. */
  readonly directory: string;
  /** Name of the gateway, as its certificate bears it. */
  readonly gateway: string;
  /** Users, devices and apps are unique within it. */
  readonly domain: string;
  readonly bootId: string;
  readonly worker: number;
  readonly productVersion: string;
  /** Epoch milliseconds. */
  readonly now?: () => number;
  readonly segmentBytes?: number;
  /** Told when records stop being written, for the log; see also `healthy`. */
  readonly onFailure?: (error: Error) => void;
}

export interface SpoolingFlowRecorder extends FlowRecorder {
  /** Records that the operating system has taken since the start. */
  written(): number;
  /** Writes and syncs what is left. Calls after it record nothing. */
  close(): void;
}

/** Ordinary records reach the disk within this many milliseconds: what a power cut may cost. */
const syncWithinMs = 200;
/** Refusals and sign-ins for which nobody waits: refused handshakes, and what ended a flow that was open. */
const syncSoonMs = 20;

/**
 * Records the flows of one worker as chained OCSF lines in files of its own.
 * @throws what the file system throws, when the directory cannot be written at the start. Later failures only make it
 *   unhealthy.
 */
export function createFlowRecorder(options: FlowRecorderOptions): SpoolingFlowRecorder {
  const { directory, gateway, domain, bootId, worker, productVersion, now = Date.now } = options;
  const spool = openSpool({
    directory,
    stream: { worker, startedAt: Math.trunc(now()), bootId },
    ...(options.segmentBytes === undefined ? {} : { segmentBytes: options.segmentBytes }),
    ...(options.onFailure === undefined ? {} : { onFailure: options.onFailure }),
  });
  const contextOf = createContexts({
    gateway,
    bootId,
    worker,
    workerStartedAt: spool.stream.startedAt,
  });
  const origin = { productVersion, domain };
  const httpActivity = createHttpActivity(origin);
  const networkActivity = createNetworkActivity(origin);
  const authentication = createAuthentication(gateway, origin);
  const tunnelActivity = createTunnelActivity(origin);
  const openTunnels = new Set<FlowId>();
  let sequence = 0;
  let lost = 0;

  /** Guarded: a record that cannot be built must not end a flow halfway, and is not passed over in silence either. */
  function write<Argument>(
    draftOf: (facts: FlowFacts, argument: Argument, context: Context) => Draft,
    facts: FlowFacts,
    argument: Argument,
    isUrgent: boolean,
  ): void {
    try {
      const loggedTime = Math.trunc(now());
      const place = {
        uid: createUuidV7(loggedTime),
        sequence: sequence + 1,
        loggedTime,
        lost,
        previous: spool.head,
      };
      if (!spool.append(formatRecord(draftOf(facts, argument, contextOf(facts)), place))) {
        lost += 1;
        return;
      }
      sequence += 1;
      lost = 0;
      spool.syncWithin(isUrgent ? syncSoonMs : syncWithinMs);
    } catch (error) {
      lost += 1;
      options.onFailure?.(error as Error);
    }
  }

  return {
    request: (facts, outcome) => write(httpActivity, facts, outcome, outcome.refusal !== undefined),
    tunnelOpened(facts) {
      openTunnels.add(facts.id);
      write(networkActivity.opened, facts, now(), false);
    },
    tunnelTraffic: (facts, traffic) => write(networkActivity.traffic, facts, traffic, false),
    tunnelClosed(facts, outcome) {
      const draftOf = openTunnels.delete(facts.id) ? networkActivity.closed : networkActivity.refused;
      write(draftOf, facts, outcome, outcome.refusal !== undefined);
    },
    authentication: (facts, outcome) => write(authentication, facts, outcome, true),
    // The sign-in that it is of has been on the disk already.
    session: (facts, event) => write(tunnelActivity, facts, event, false),
    whenWritten: (callback) => spool.whenWritten(callback),
    whenSynced: (callback) => spool.whenSynced(callback),
    healthy: () => spool.isHealthy,
    written: () => spool.written,
    close: () => spool.close(),
  };
}
