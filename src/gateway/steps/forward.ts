import type { Socket } from 'node:net';
import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import type { DialledUpstream } from '../../domain/flow.ts';
import type { App } from '../../domain/resources.ts';
import { isConnectionBound, passTrailers, readAnswerHead } from '../fields/answer-headers.ts';
import { InspectedAnswer } from '../content/inspected-answer.ts';
import type { Flow } from '../flow.ts';
import type { Gateway } from '../gateway.ts';
import { joinStreams } from '../tunnels/join-streams.ts';
import { valueOf } from '../fields/raw-fields.ts';
import type { RequestHead } from '../fields/request-head.ts';
import { BodyRefused, readBody } from '../fields/request-body.ts';
import type { EndedBy } from '../records/record-flow.ts';
import { refuseFlow } from '../answers/refuse-flow.ts';
import type { UpstreamAnswer, UpstreamCall, UpstreamRequest } from '../upstream/upstream-answer.ts';
import type { UpstreamConnection } from '../upstream/upstream-connection.ts';
import { refusalOfError } from '../upstream/upstream-failure.ts';
import { buildUpstreamHeaders } from '../fields/upstream-headers.ts';

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS']);
/** To these a body belongs, and one that is not there has a length (RFC 9110, section 8.6). */
const bodyMethods = new Set(['POST', 'PUT', 'PATCH']);

/** Sends the request to the app's upstream, and the answer back, both at the speed of who reads. */
export function forward(flow: Flow, gateway: Gateway): void {
  const { app, head } = flow;
  if (app === undefined || head === undefined) throw new TypeError('flow was not decided');
  new Forwarding(flow, gateway, app, head).start();
}

class Forwarding implements UpstreamAnswer {
  readonly #flow: Flow;
  readonly #gateway: Gateway;
  readonly #app: App;
  readonly #request: UpstreamRequest;
  /** The connection of the upstream stands for this user alone. */
  readonly #isBound: boolean;
  #call: UpstreamCall | undefined;
  #isOver = false;
  #hasHead = false;
  #contentLength: number | undefined;
  #last: Buffer | undefined;
  #attempts = 0;
  #isDrainAwaited = false;

  constructor(flow: Flow, gateway: Gateway, app: App, head: RequestHead) {
    this.#flow = flow;
    this.#gateway = gateway;
    this.#app = app;
    const { exchange } = flow;
    const hasBody = exchange.hasBody && head.contentLength !== 0;
    this.#isBound = isConnectionBound(valueOf(head.forwardable, 'authorization') ?? '');
    const emptyLength = head.contentLength === 0 || bodyMethods.has(exchange.method) ? 0 : undefined;
    this.#request = {
      method: exchange.method,
      target: head.target,
      ...buildUpstreamHeaders(flow, gateway),
      body: hasBody
        ? (flow.body ??
          readBody(flow, exchange.body, head.contentLength, gateway.settings.limits.bodyIdleTimeoutMs))
        : undefined,
      contentLength: hasBody ? head.contentLength : emptyLength,
      upgrade: exchange.upgrade,
      trailers: () => passTrailers(exchange.trailers()),
    };
  }

  start(): void {
    const { exchange, grant } = this.#flow;
    exchange.onClose(() => this.#end('client', undefined));
    if (grant !== undefined) {
      grant.cut = (refusal) => this.#end('gateway', refusal);
      if (grant.ended !== undefined) return this.#end('gateway', grant.ended);
    }
    if (exchange.expectsContinue && this.#flow.body === undefined) exchange.sendContinue();
    this.#send();
  }

  #send(): void {
    this.#attempts += 1;
    this.#call = undefined;
    const { upstreams } = this.#gateway;
    // Where one kept connection has died the others may have: what is sent again goes on one that is new.
    const isAlone = this.#request.upgrade !== undefined || this.#isBound || this.#attempts > 1;
    const taken = isAlone ? upstreams.takeOwn(this.#app) : upstreams.take(this.#app);
    if (!(taken instanceof Promise)) return this.#sendOn(taken);
    taken.then((later) => this.#sendOn(later)).catch((error: unknown) => this.onError(error));
  }

  #sendOn(connection: UpstreamConnection): void {
    if (this.#isOver) return connection.giveBack();
    const { bodyInspectors } = this.#flow;
    if (bodyInspectors === undefined) {
      this.#call = connection.send(this.#request, this);
      return;
    }
    const inspected = new InspectedAnswer(this.#flow, this.#gateway, this.#app, bodyInspectors, this);
    this.#call = inspected.hold(connection.send(this.#request, inspected));
  }

  onStart(dialled: DialledUpstream, text: string): void {
    this.#flow.upstream = dialled;
    this.#flow.upstreamText = text;
  }

  onInformation(status: number, raw: readonly string[]): void {
    const { exchange } = this.#flow;
    // 100 is the gateway's own to say, and 101 is none.
    if (this.#hasHead || status <= 101) return;
    exchange.sendInformation(status, readAnswerHead(status, raw).headers);
  }

  onHead(status: number, statusText: string, raw: readonly string[], contentLength?: number): void {
    const { exchange } = this.#flow;
    try {
      const head = readAnswerHead(status, raw);
      if (head.bindsConnection) this.#call?.bindConnection();
      exchange.sendHead(status, statusText, head.headers);
      this.#contentLength = contentLength;
    } catch {
      // A value that HTTP/2 cannot carry: the answer has not begun, so the client can still be told.
      return this.#fail(refuse('upstream-malformed', this.#where));
    }
    this.#hasHead = true;
    this.#flow.status = status;
    const isBodyless =
      exchange.method === 'HEAD' || status === 204 || status === 304 || this.#contentLength === 0;
    // The head may not wait for a body that is long in coming; one that comes along goes out with it.
    if (!isBodyless) process.nextTick(() => this.#flushHead());
  }

  #flushHead(): void {
    if (!this.#isOver && this.#last === undefined && this.#flow.bytesOut === 0)
      this.#flow.exchange.flushHead();
  }

  onData(chunk: Buffer): boolean {
    const flow = this.#flow;
    flow.bytesOut += chunk.length;
    if (flow.bytesOut === this.#contentLength) {
      // The last piece waits for its record.
      this.#last = chunk;
      return true;
    }
    if (flow.exchange.sendData(chunk)) return true;
    // Pieces of what was already read still come.
    if (!this.#isDrainAwaited)
      flow.exchange.onDrain(() => {
        this.#isDrainAwaited = false;
        this.#call?.resume();
      });
    this.#isDrainAwaited = true;
    return false;
  }

  onEnd(trailers: readonly string[]): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { exchange, grant } = this.#flow;
    const { record, grants } = this.#gateway;
    record.request(this.#flow, 'upstream');
    if (grant !== undefined) grants.close(grant);
    // A request that was answered is on record before its answer is whole.
    record.afterWritten(
      () => exchange.sendEnd(this.#last, trailers.length === 0 ? undefined : passTrailers(trailers)),
      () => exchange.abort(),
    );
  }

  onUpgrade(raw: readonly string[], socket: Socket, head: Buffer): void {
    const { exchange, grant } = this.#flow;
    const { record, grants } = this.#gateway;
    if (this.#isOver) return void socket.destroy();
    if (!isAmong(this.#request.upgrade ?? '', valueOf(raw, 'upgrade') ?? '')) {
      socket.destroy();
      return this.#fail(refuse('upstream-malformed', `${this.#where}: another protocol than was asked for`));
    }
    this.#isOver = true;
    const flow = this.#flow;
    flow.status = 101;
    record.tunnelOpened(flow);
    const giveUp = (why: Refusal | undefined): void => {
      socket.destroy();
      exchange.abort();
      record.tunnelClosed(flow, why === undefined ? 'client' : 'gateway', why);
      if (grant !== undefined) grants.close(grant);
    };
    record.afterWritten(() => {
      if (grant?.ended !== undefined || exchange.isClosed) return giveUp(grant?.ended);
      let client;
      try {
        client = exchange.accept(101, readAnswerHead(101, raw).headers);
      } catch {
        // Fields that HTTP/2 cannot carry.
        return giveUp(refuse('upstream-malformed', this.#where));
      }
      joinStreams(flow, this.#gateway, { client, upstream: socket, head });
    }, giveUp);
  }

  onError(error: unknown): void {
    if (this.#isOver) return;
    if (error instanceof BodyRefused) return this.#fail(error.refusal, 'gateway');
    if (this.#mayTryAgain(error)) return this.#send();
    this.#fail(refusalOfError(error, this.#where));
  }

  /**
   * A kept connection may die just as it is used (RFC 9110, section 9.2.2): what changes nothing is sent again, once, and
   * what was never sent is not sent again but for the first time. An upstream that is slow or answers nonsense has had
   * its chance.
   */
  #mayTryAgain(error: unknown): boolean {
    const call = this.#call;
    if (call === undefined || call.hasAnswered) return false;
    if (!call.hasStarted) return this.#attempts <= 3;
    const { method, body, upgrade } = this.#request;
    const isSafe = body === undefined && upgrade === undefined && safeMethods.has(method);
    return this.#attempts === 1 && isSafe && refusalOfError(error, '').code === 'upstream-reset';
  }

  /** The upstream failed. Before the answer began the client is told; after that it must not take it for whole. */
  #fail(refusal: Refusal, by: EndedBy = 'upstream'): void {
    if (this.#isOver) return;
    if (this.#hasHead) return this.#end(by, refusal);
    this.#isOver = true;
    this.#call?.abort();
    refuseFlow(this.#flow, this.#gateway, refusal);
  }

  #end(endedBy: EndedBy, refusal: Refusal | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#call?.abort();
    const { exchange, grant } = this.#flow;
    this.#gateway.record.request(this.#flow, endedBy, refusal);
    if (grant !== undefined) this.#gateway.grants.close(grant);
    exchange.abort();
  }

  get #where(): string {
    return this.#flow.upstreamText ?? this.#app.name;
  }
}

/** Whether a protocol is one of those that an Upgrade field offers (RFC 9110, section 7.8). */
const isAmong = (offered: string, protocol: string): boolean =>
  offered.split(',').some((one) => one.trim().toLowerCase() === protocol.trim().toLowerCase());
