import type { ClockOffset } from '../contract/ipc.ts';
import type { SinkHealth } from '../contract/sinks.ts';
import type { FlowClass, FlowFacts, FlowOutcome, FlowRecorder } from '../domain/flow.ts';
import type { Finding } from '../domain/finding.ts';
import type { FlowId } from '../domain/ids.ts';
import { createAuthentication } from './record/authentication.ts';
import { createChainWriter } from './spool/chain-writer.ts';
import { createContexts } from './record/context.ts';
import type { Context, ShortContext } from './record/context.ts';
import { detectionFinding } from './record/detection-finding.ts';
import { createDropCounts } from './record/drop-counts.ts';
import { formatRecord } from './record/envelope.ts';
import { formatOwn, formatShort } from './frames/short-record.ts';
import type { Draft, Place } from './record/envelope.ts';
import { heartbeatRecord } from './record/heartbeat.ts';
import { createHttpActivity } from './record/http-activity.ts';
import { createNetworkActivity } from './record/network-activity.ts';
import { streamName } from './spool/segment-names.ts';
import { formatServiceRecord } from './record/service-record.ts';
import type { ServiceRecord } from './record/service-record.ts';
import { watchSpace } from './spool/space.ts';
import type { SpaceBounds } from './spool/space.ts';
import { openSpool } from './spool/spool.ts';
import type { ShortRecords } from './spool/spool.ts';
import { createShortContexts } from './record/short-contexts.ts';
import { createTunnelActivity } from './record/tunnel-activity.ts';

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
  /** Without it, what the disk has. */
  readonly bounds?: SpaceBounds;
  /** Whose records may be left out when the bound is reached, and only counted; those of others are refused then. */
  readonly dropAtBound?: readonly FlowClass[];
  /** Told when records stop being written, for the log; see also `healthy`. */
  readonly onFailure?: (error: Error) => void;
}

export interface SpoolingFlowRecorder extends FlowRecorder {
  /** Records that the operating system has taken since the start. */
  written(): number;
  /** That this worker lives; to be called every `heartbeatMs`. */
  heartbeat(clock: ClockOffset, sinks: readonly SinkHealth[]): void;
  /** For an operator's numbers. */
  readonly room: {
    readonly isFull: boolean;
    readonly bytes: number;
    readonly dropped: Readonly<Record<FlowClass, number>>;
  };
  /** Writes and syncs what is left. Calls after it record nothing. */
  close(): void;
}

/** Records that are to be written short, in one line. */
interface ShortLine {
  readonly contexts: ShortContext[];
  own: string;
}
const emptyLine = (): ShortLine => ({ contexts: [], own: '' });

/** How often a worker says that it lives. */
export const heartbeatMs = 30_000;
/** Requests that wait for the end of the turn, and share a line then; more do not get cheaper by it. */
const mostAnswered = 64;
const noBounds: SpaceBounds = { maxBytes: undefined, minFreeBytes: 0 };

/** Ordinary records reach the disk within this many milliseconds: what a power cut may cost. */
const syncWithinMs = 200;
/** Refusals and sign-ins for which nobody waits: refused handshakes, and what ended a flow that was open. */
const syncSoonMs = 20;
/** A segment goes when the time of its last record is over: one of a quiet worker must not gather months. */
const segmentMs = 86_400_000;

/**
 * Records the flows of one worker as chained OCSF lines in files of its own.
 * @throws what the file system throws, when the directory cannot be written at the start. Later failures only make it
 *   unhealthy.
 */
export function createFlowRecorder(options: FlowRecorderOptions): SpoolingFlowRecorder {
  const { directory, gateway, domain, bootId, worker, productVersion, now = Date.now } = options;
  const mayDrop = new Set(options.dropAtBound);
  const spool = openSpool({
    directory,
    stream: { worker, startedAt: Math.trunc(now()), bootId },
    segmentMs,
    ...(options.segmentBytes === undefined ? {} : { segmentBytes: options.segmentBytes }),
    ...(options.onFailure === undefined ? {} : { onFailure: options.onFailure }),
  });
  const recorder = { gateway, bootId, worker, workerStartedAt: spool.stream.startedAt };
  const contextOf = createContexts(recorder);
  const chain = createChainWriter(spool, now);
  const space = watchSpace(directory, options.bounds ?? noBounds);
  const drops = createDropCounts();
  const origin = { productVersion, domain };
  const httpActivity = createHttpActivity(origin);
  const shortContextOf = createShortContexts(origin, contextOf);
  const networkActivity = createNetworkActivity(origin);
  const authentication = createAuthentication(gateway, origin);
  const tunnelActivity = createTunnelActivity(origin);
  const openTunnels = new Set<FlowId>();

  /** Requests that were answered in this turn of the event loop, and are not formatted yet. */
  let answered: { readonly facts: FlowFacts; readonly outcome: FlowOutcome }[] = [];

  /** All in a row, and in one line as far as they can be written short: one by one, each among other work, they cost more. */
  function writeAnswered(): void {
    if (answered.length === 0) return;
    const requests = answered;
    answered = [];
    let line = emptyLine();
    const writeLine = (): void => {
      const { own, contexts } = line;
      line = emptyLine();
      if (contexts.length > 0) append((place) => formatShort(own, place), false, { contexts });
    };
    for (const { facts, outcome } of requests) {
      if (isAdded(line, facts, outcome)) continue;
      writeLine();
      write(httpActivity, facts, outcome, false);
    }
    writeLine();
  }

  /** False for one that must be written whole. */
  function isAdded(line: ShortLine, facts: FlowFacts, outcome: FlowOutcome): boolean {
    try {
      const context = shortContextOf(facts, outcome);
      if (context === undefined) return false;
      const own = formatOwn(context.hash, facts, outcome);
      line.own += line.contexts.length === 0 ? own : `,${own}`;
      line.contexts.push(context);
      return true;
    } catch {
      // The whole one fails as well, and is counted.
      return false;
    }
  }

  /** Guarded: a record that cannot be built must not end a flow halfway, and is not passed over in silence either. */
  function append(format: (place: Place) => string, isUrgent: boolean, shorts?: ShortRecords): void {
    // What was recorded before comes before.
    writeAnswered();
    try {
      const bytes = chain.write(format, shorts);
      if (bytes === 0) return;
      space.wrote(bytes);
      spool.syncWithin(isUrgent ? syncSoonMs : syncWithinMs);
    } catch (error) {
      options.onFailure?.(error as Error);
    }
  }

  function write<Argument>(
    draftOf: (facts: FlowFacts, argument: Argument, context: Context) => Draft,
    facts: FlowFacts,
    argument: Argument,
    isUrgent: boolean,
  ): void {
    append((place) => formatRecord(draftOf(facts, argument, contextOf(facts)), place), isUrgent);
  }

  /** Of an ordinary flow, which the settings may let go while there is no room. */
  function writeOrDrop<Argument>(
    flowClass: FlowClass,
    draftOf: (facts: FlowFacts, argument: Argument, context: Context) => Draft,
    facts: FlowFacts,
    argument: Argument,
  ): void {
    if (!isLeftOut(flowClass)) write(draftOf, facts, argument, false);
  }

  function isLeftOut(flowClass: FlowClass): boolean {
    const isDropped = space.isFull && mayDrop.has(flowClass);
    if (isDropped) drops.count(flowClass, now());
    return isDropped;
  }

  const writeService = (record: ServiceRecord): void =>
    append((place) => formatServiceRecord(record, place, origin, recorder), true);

  const finding = (found: Finding): void => writeService(detectionFinding(found));

  /** What was left out is on record as a finding: at each heartbeat while it goes on, and once when it is over. */
  function tellDrops(): void {
    const told = drops.take(now(), space.isFull);
    if (told !== undefined) finding({ ...told, description: describeBound(options.bounds ?? noBounds) });
  }

  return {
    request(facts, outcome) {
      if (outcome.refusal !== undefined) return write(httpActivity, facts, outcome, true);
      if (isLeftOut('requests')) return;
      if (answered.push({ facts, outcome }) === 1) spool.beforeWrite(writeAnswered);
      if (answered.length >= mostAnswered || !spool.isHealthy) writeAnswered();
    },
    tunnelOpened(facts) {
      openTunnels.add(facts.id);
      writeOrDrop('tunnels', networkActivity.opened, facts, now());
    },
    tunnelTraffic: (facts, traffic) => writeOrDrop('tunnels', networkActivity.traffic, facts, traffic),
    tunnelClosed(facts, outcome) {
      const draftOf = openTunnels.delete(facts.id) ? networkActivity.closed : networkActivity.refused;
      if (outcome.refusal === undefined) writeOrDrop('tunnels', draftOf, facts, outcome);
      else write(draftOf, facts, outcome, true);
    },
    finding,
    heartbeat(clock, sinks) {
      writeAnswered();
      tellDrops();
      void space.look();
      const { bytes, freeBytes } = space;
      const waiting = chain.sequence - spool.written;
      writeService(
        heartbeatRecord({
          at: now(),
          stream: streamName(spool.stream),
          spool: { waiting, bytes, freeBytes },
          sinks: sinks.map(({ name, lagRecords, lagSeconds }) => ({
            name,
            records: lagRecords,
            seconds: lagSeconds,
          })),
          clock,
        }),
      );
    },
    hasRoomFor: (flowClass) => !space.isFull || mayDrop.has(flowClass),
    get room() {
      return { isFull: space.isFull, bytes: space.bytes, dropped: drops.totals };
    },
    authentication: (facts, outcome) => write(authentication, facts, outcome, true),
    // The sign-in that it is of has been on the disk already.
    session: (facts, event) => write(tunnelActivity, facts, event, false),
    whenWritten: (callback) => spool.whenWritten(callback),
    whenSynced: (callback) => spool.whenSynced(callback),
    healthy: () => spool.isHealthy,
    written: () => spool.written,
    close() {
      writeAnswered();
      tellDrops();
      space.close();
      spool.close();
    },
  };
}

const describeBound = ({ maxBytes, minFreeBytes }: SpaceBounds): string =>
  `The records of ordinary flows were left out, as the settings say (flows.dropAtBound), while there was no room for them: ${maxBytes === undefined ? '' : `they may take ${maxBytes} bytes, and `}${minFreeBytes} bytes of the disk are kept free.`;
