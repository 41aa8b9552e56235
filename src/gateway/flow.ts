import type { BrowserSession } from '../contract/ipc.ts';
import type { Decision } from '../domain/decision.ts';
import type { DialledUpstream, FlowFacts } from '../domain/flow.ts';
import type { FlowId } from '../domain/ids.ts';
import type { InspectionOutcomes } from '../domain/inspection.ts';
import type { PostureCriterion } from '../domain/posture.ts';
import type { App } from '../domain/resources.ts';
import type { Subject } from '../domain/subject.ts';
import type { ContentInspector } from './content/content-inspector.ts';
import type { Exchange } from './exchange.ts';
import type { Grant } from './grants.ts';
import type { RequestHead } from './fields/request-head.ts';

/**
 * One request, upgrade or tunnel on its way through the pipeline. Steps fill in what they find out; `decide` alone
 * judges; the record is made of what is here when it ends.
 */
export class Flow {
  readonly id: FlowId;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  readonly exchange: Exchange;
  /** What was asked, once it was found to have one reading. */
  head: RequestHead | undefined = undefined;
  subject: Subject | undefined = undefined;
  app: App | undefined = undefined;
  /** The port that the client asked for, where it named one of the app's. */
  port: number | undefined = undefined;
  /** What a tunnel carries in capsules: datagrams (RFC 9298), or bytes (connect-tcp). It is a CONNECT in other clothes. */
  capsules: 'datagrams' | 'bytes' | undefined = undefined;
  /** Asked of the gateway itself, not of an application; a probe asks about one. */
  local: 'status' | 'jwks' | 'signed-in' | 'probe' | undefined = undefined;
  /** Of a probe that was denied: what of the laptop's posture stands in the way. */
  postureAtFault: readonly PostureCriterion[] = [];
  /** The sign-in of a browser that the control plane sent here with a code. */
  handedOver: NonNullable<BrowserSession['handedOver']> | undefined = undefined;
  decision: Decision | undefined = undefined;
  grant: Grant | undefined = undefined;
  upstream: DialledUpstream | undefined = undefined;
  /** The upstream as the app's resource writes it: what a refusal names. */
  upstreamText: string | undefined = undefined;
  /** Each inspector that ran leaves here what it did. */
  inspections: InspectionOutcomes | undefined = undefined;
  /** The body, where it was begun to be read before it is forwarded. */
  body: AsyncGenerator<Buffer> | undefined = undefined;
  /** What looks into the answer, where the application asks for that. */
  bodyInspectors: readonly ContentInspector[] | undefined = undefined;
  #atEnd: (() => void) | undefined = undefined;
  /** Brings the bytes up to date, for whoever carries the flow and does not count each piece. */
  count: (() => void) | undefined = undefined;
  bytesIn = 0;
  bytesOut = 0;
  /** Status that was sent to the client. */
  status: number | undefined = undefined;
  isRecorded = false;

  constructor(id: FlowId, startedAt: number, exchange: Exchange) {
    this.id = id;
    this.startedAt = startedAt;
    this.exchange = exchange;
  }

  /** Calls once, when the flow's end is recorded. */
  atEnd(callback: () => void): void {
    const earlier = this.#atEnd;
    this.#atEnd =
      earlier === undefined
        ? callback
        : () => {
            earlier();
            callback();
          };
  }

  /** Its end is recorded. */
  ended(): void {
    this.#atEnd?.();
    this.#atEnd = undefined;
  }

  /** As policies and records have it. */
  get method(): string {
    return this.capsules === undefined ? this.exchange.method : 'CONNECT';
  }
}

/** The flow as its record shows it. */
export function factsOf(flow: Flow): FlowFacts {
  const { exchange, head } = flow;
  const facts: { -readonly [Key in keyof FlowFacts]: FlowFacts[Key] } = {
    id: flow.id,
    connection: exchange.connection.facts,
    startedAt: flow.startedAt,
    request: {
      method: flow.method,
      authority: head?.authority ?? '',
      path: head?.path ?? '',
      scheme: head?.scheme ?? exchange.scheme,
      httpVersion: exchange.httpVersion,
      ...(head?.userAgent === undefined ? undefined : { userAgent: head.userAgent }),
    },
  };
  if (exchange.tunnel !== undefined) facts.parent = exchange.tunnel.flowId;
  if (flow.subject !== undefined) facts.subject = flow.subject;
  if (flow.app !== undefined) facts.app = flow.app;
  if (flow.decision !== undefined) facts.decision = flow.decision;
  if (flow.upstream !== undefined) facts.upstream = flow.upstream;
  if (flow.inspections !== undefined) facts.inspections = flow.inspections;
  return facts;
}
