import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import type { Finding } from '../../domain/finding.ts';
import type { ConnectionFacts, FlowOutcome, FlowRecorder } from '../../domain/flow.ts';
import type { FlowId } from '../../domain/ids.ts';
import { Bag } from '../listener/bag.ts';
import type { Bagged } from '../listener/bag.ts';
import type { ClientConnection } from '../listener/client-connection.ts';
import type { Exchange } from '../exchange.ts';
import { factsOf, Flow } from '../flow.ts';
import type { Gateway } from '../gateway.ts';
import { createSessionLog } from './record-sessions.ts';
import { createTrafficLog } from './record-traffic.ts';

export type EndedBy = FlowOutcome['endedBy'];

/** The one place where this worker records: every request, tunnel, sign-in and refusal passes here. */
export interface FlowLog {
  /** A new flow, open until its end is recorded. The only way to one. */
  begin(exchange: Exchange): Flow;
  /** Resolves once no flow is open, at once where none is. */
  settled(): Promise<void>;
  /** The request ended; a second call for the same flow records nothing. */
  request(flow: Flow, endedBy: EndedBy, refusal?: Refusal): void;
  tunnelOpened(flow: Flow): void;
  /** Records what open tunnels carried, of those that carried much or have long not been recorded. To be called now and then. */
  tellTraffic(): void;
  /** A tunnel or upgraded connection ended, or never came to be. */
  tunnelClosed(flow: Flow, endedBy: EndedBy, refusal?: Refusal): void;
  /** A token was verified for this flow. */
  token(flow: Flow, refusal: Refusal | undefined): void;
  /** The agent's session on this connection got its first token, or another one. */
  session(connection: ClientConnection): void;
  /** The connection ended, and with it the session that was on it, if there was one. */
  sessionEnded(connection: ClientConnection, endedBy: EndedBy, refusal?: Refusal): void;
  /** Something that the security team should look at. */
  finding(finding: Finding): void;
  /** A handshake was accepted or refused. */
  handshake(connection: ConnectionFacts, refusal: Refusal | undefined): void;
  /**
   * Calls `onWritten` once what was recorded is with the operating system, or `onFailure` with why that did not come to be:
   * it took too long, or `onWritten` threw, as Node does for fields that it does not send.
   */
  afterWritten(onWritten: () => void, onFailure: (why: Refusal) => void): void;
  /** The same once the disk has it: before a refusal or a sign-in takes effect. */
  afterSynced(onSynced: () => void, onFailure: (why: Refusal) => void): void;
  /** Gives up on what has waited too long to be written. To be called now and then. */
  expire(): void;
  healthy(): boolean;
  /** Whether there is room for the records of this flow, if it is let in. */
  hasRoomFor(flow: Flow): boolean;
  readonly requests: number;
  readonly refusals: Readonly<Record<string, number>>;
}

/** An answer whose record cannot be written is not given. */
const maxWaitMs = 10_000;

interface Waiting extends Bagged {
  /** Epoch milliseconds. */
  readonly since: number;
  readonly onFailure: (why: Refusal) => void;
}

export function createFlowLog(parts: {
  readonly recorder: FlowRecorder;
  readonly newFlowId: () => FlowId;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly log: Gateway['log'];
}): FlowLog {
  const { recorder, newFlowId, now, log } = parts;
  const waiting = new Bag<Waiting>();
  const traffic = createTrafficLog(recorder, now);
  const sessions = createSessionLog(recorder, now);
  const refusals: Record<string, number> = {};
  let requests = 0;
  let open = 0;
  let whenSettled: PromiseWithResolvers<void> | undefined;

  const outcomeOf = (flow: Flow, endedBy: EndedBy, refusal: Refusal | undefined): FlowOutcome => {
    if (refusal !== undefined) count(refusal);
    const outcome: { -readonly [Key in keyof FlowOutcome]: FlowOutcome[Key] } = {
      endedAt: now(),
      bytesIn: flow.bytesIn,
      bytesOut: flow.bytesOut,
      endedBy,
    };
    if (flow.status !== undefined) outcome.status = flow.status;
    if (refusal !== undefined) outcome.refusal = refusal.code;
    if (refusal?.detail !== undefined) outcome.detail = refusal.detail;
    return outcome;
  };
  const whileNotExpired = (then: () => void, onFailure: (why: Refusal) => void): (() => void) => {
    const entry: Waiting = { since: now(), onFailure, next: undefined, previous: undefined };
    waiting.add(entry);
    return () => {
      if (!waiting.delete(entry)) return;
      try {
        then();
      } catch (error) {
        log.error({ err: error }, 'answer failed');
        onFailure(refuse('internal-error'));
      }
    };
  };
  const count = ({ code }: Refusal): void => {
    refusals[code] = (refusals[code] ?? 0) + 1;
  };
  const once = (flow: Flow): boolean => {
    if (flow.isRecorded) return false;
    flow.isRecorded = true;
    open -= 1;
    flow.ended();
    if (open === 0) {
      // Heard after the record, which is made in this turn.
      whenSettled?.resolve();
      whenSettled = undefined;
    }
    return true;
  };

  return {
    get requests() {
      return requests;
    },
    refusals,
    begin(exchange) {
      open += 1;
      return new Flow(newFlowId(), now(), exchange);
    },
    settled: () => (open === 0 ? Promise.resolve() : (whenSettled ??= Promise.withResolvers()).promise),
    request(flow, endedBy, refusal) {
      if (!once(flow)) return;
      requests += 1;
      recorder.request(factsOf(flow), outcomeOf(flow, endedBy, refusal));
    },
    tunnelOpened(flow) {
      traffic.opened(flow);
      recorder.tunnelOpened(factsOf(flow));
    },
    tellTraffic: () => traffic.tell(),
    tunnelClosed(flow, endedBy, refusal) {
      if (!once(flow)) return;
      traffic.closed(flow);
      requests += 1;
      recorder.tunnelClosed(factsOf(flow), outcomeOf(flow, endedBy, refusal));
    },
    token(flow, refusal) {
      const outcome = { endedAt: now(), bytesIn: 0, bytesOut: 0, endedBy: 'gateway' } as const;
      recorder.authentication(
        { ...factsOf(flow), id: newFlowId() },
        refusal === undefined
          ? outcome
          : {
              ...outcome,
              refusal: refusal.code,
              ...(refusal.detail === undefined ? {} : { detail: refusal.detail }),
            },
      );
    },
    session: (connection) => sessions.accepted(connection),
    sessionEnded: (connection, endedBy, refusal) => sessions.ended(connection, endedBy, refusal),
    handshake(connection, refusal) {
      if (refusal !== undefined) count(refusal);
      const facts = { id: connection.id, connection, startedAt: connection.startedAt };
      const outcome = { endedAt: now(), bytesIn: 0, bytesOut: 0, endedBy: 'gateway' } as const;
      recorder.authentication(
        facts,
        refusal === undefined
          ? outcome
          : {
              ...outcome,
              refusal: refusal.code,
              ...(refusal.detail === undefined ? {} : { detail: refusal.detail }),
            },
      );
    },
    finding: (finding) => recorder.finding(finding),
    afterWritten: (onWritten, onFailure) => recorder.whenWritten(whileNotExpired(onWritten, onFailure)),
    afterSynced: (onSynced, onFailure) => recorder.whenSynced(whileNotExpired(onSynced, onFailure)),
    expire() {
      for (const entry of waiting.snapshot()) {
        if (now() - entry.since < maxWaitMs) return;
        waiting.delete(entry);
        entry.onFailure(refuse('not-ready', 'flow records cannot be written'));
      }
    },
    healthy: () => recorder.healthy(),
    hasRoomFor: ({ method, exchange }) =>
      recorder.hasRoomFor(method === 'CONNECT' || exchange.upgrade !== undefined ? 'tunnels' : 'requests'),
  };
}
