import type { Socket } from 'node:net';
import type { Refusal } from '../../contract/refusals.ts';
import type { DialledUpstream } from '../../domain/flow.ts';
import type { App } from '../../domain/resources.ts';
import { readAnswerHead } from '../fields/answer-headers.ts';
import type { Flow } from '../flow.ts';
import type { Gateway } from '../gateway.ts';
import { BodyRefused } from '../fields/request-body.ts';
import type { UpstreamAnswer, UpstreamCall } from '../upstream/upstream-answer.ts';
import { BodyInspection, noteOutcome, nothingThere } from './body-inspection.ts';
import type { ContentInspector } from './content-inspector.ts';
import { HeldTail } from './held-tail.ts';

/**
 * Has what an application answers looked at on its way to whoever asked. The head waits as long as the whole body can be
 * held, so that one that is refused becomes a refusal like others; of a longer one the end waits, and is never sent where the
 * verdict is bad: `next` hears of an error, and breaks off.
 */
export class InspectedAnswer implements UpstreamAnswer {
  readonly #flow: Flow;
  readonly #app: App;
  readonly #kinds: readonly ContentInspector[];
  readonly #next: UpstreamAnswer;
  readonly #tail: HeldTail;
  #call: UpstreamCall | undefined;
  #inspection: BodyInspection | undefined;
  /** Kept back with its body. */
  #head: Parameters<UpstreamAnswer['onHead']> | undefined;
  /** Until who looks at the pieces that came is ready for more. */
  #looked: Promise<void> | undefined;
  #isClientReady = true;
  /** Nothing is looked at any more. */
  #isOver = false;
  /** Nothing is told any more, either. */
  #isAborted = false;

  constructor(
    flow: Flow,
    gateway: Gateway,
    app: App,
    kinds: readonly ContentInspector[],
    next: UpstreamAnswer,
  ) {
    this.#flow = flow;
    this.#app = app;
    this.#kinds = kinds;
    this.#next = next;
    const { device } = flow.exchange.connection.certificate;
    this.#tail = new HeldTail(device, gateway.heldBytes, gateway.maxHeldTailBytes);
    flow.atEnd(() => this.#giveUp());
  }

  /** @returns what `next` holds the request by. */
  hold(call: UpstreamCall): UpstreamCall {
    this.#call = call;
    return {
      get hasStarted() {
        return call.hasStarted;
      },
      get hasAnswered() {
        return call.hasAnswered;
      },
      resume: () => {
        this.#isClientReady = true;
        if (this.#looked === undefined) call.resume();
      },
      bindConnection: () => call.bindConnection(),
      abort: () => {
        this.#isAborted = true;
        this.#giveUp();
        call.abort();
      },
    };
  }

  onStart(dialled: DialledUpstream, text: string): void {
    this.#next.onStart(dialled, text);
  }

  onInformation(status: number, headers: readonly string[]): void {
    this.#next.onInformation(status, headers);
  }

  onHead(status: number, statusText: string, headers: readonly string[], contentLength?: number): void {
    const isBodyless = this.#flow.exchange.method === 'HEAD' || status === 204 || status === 304;
    if (isBodyless || contentLength === 0) {
      for (const kind of this.#kinds) noteOutcome(this.#flow, kind, nothingThere);
      return this.#next.onHead(status, statusText, headers, contentLength);
    }
    const inspection = new BodyInspection(this.#flow, this.#app, this.#kinds, {
      direction: 'download',
      fields: headers,
      contentLength,
      unread: status === 206 ? 'partial' : this.#canBreakOff(contentLength) ? undefined : 'streamed',
    });
    // `next` hears of it only when the upstream's connection may already carry another user's request.
    if (readAnswerHead(status, headers).bindsConnection) this.#call?.bindConnection();
    this.#inspection = inspection;
    this.#head = [status, statusText, headers, contentLength];
    if (inspection.refusal !== undefined) return this.#refuse(inspection.refusal);
    if (!inspection.isStream) return;
    this.#inspection = undefined;
    this.#passHead();
    inspection.end().catch((error: unknown) => this.onError(error));
  }

  onData(chunk: Buffer): boolean {
    if (this.#inspection === undefined) return this.#next.onData(chunk);
    if (this.#isOver) return true;
    const inspection = this.#inspection;
    const passing = this.#tail.push(chunk);
    // Pieces of what was already read still come while one is looked at.
    const pause =
      this.#looked === undefined ? inspection.write(chunk) : this.#looked.then(() => inspection.write(chunk));
    if (inspection.refusal !== undefined) {
      this.#refuse(inspection.refusal);
      return true;
    }
    this.#pass(passing);
    if (pause === undefined) return this.#isClientReady;
    const looked = pause.then(() => {
      if (this.#looked === looked) this.#goOn();
    });
    this.#looked = looked;
    return false;
  }

  onEnd(trailers: readonly string[]): void {
    const inspection = this.#inspection;
    if (inspection === undefined) return this.#next.onEnd(trailers);
    this.#finish(inspection, trailers).catch((error: unknown) => this.onError(error));
  }

  onUpgrade(headers: readonly string[], socket: Socket, head: Buffer): void {
    this.#next.onUpgrade(headers, socket, head);
  }

  onError(error: unknown): void {
    this.#giveUp();
    this.#next.onError(error);
  }

  /** To a client of HTTP/1.0 the end of the connection is the end of what has no length: it would take any part for whole. */
  #canBreakOff(contentLength: number | undefined): boolean {
    return this.#flow.exchange.httpVersion !== '1.0' || contentLength !== undefined;
  }

  #goOn(): void {
    this.#looked = undefined;
    if (this.#isOver) return;
    const refusal = this.#inspection?.refusal;
    if (refusal !== undefined) this.#refuse(refusal);
    else if (this.#isClientReady) this.#call?.resume();
  }

  async #finish(inspection: BodyInspection, trailers: readonly string[]): Promise<void> {
    await this.#looked;
    if (this.#isOver) return;
    const refusal = await inspection.end();
    if (this.#isOver) return;
    if (refusal !== undefined) return this.#refuse(refusal);
    this.#isOver = true;
    this.#pass(this.#tail.release());
    this.#passHead();
    if (!this.#isAborted) this.#next.onEnd(trailers);
  }

  #pass(pieces: readonly Buffer[]): void {
    if (pieces.length === 0) return;
    this.#passHead();
    for (const piece of pieces) {
      // The client left, or the head was no head for it.
      if (this.#isAborted) return;
      this.#isClientReady = this.#next.onData(piece) && this.#isClientReady;
    }
  }

  #passHead(): void {
    const head = this.#head;
    if (head === undefined) return;
    this.#head = undefined;
    this.#next.onHead(...head);
  }

  #refuse(refusal: Refusal): void {
    this.#giveUp();
    this.#next.onError(new BodyRefused(refusal));
  }

  #giveUp(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#inspection?.abort();
    this.#tail.release();
  }
}
