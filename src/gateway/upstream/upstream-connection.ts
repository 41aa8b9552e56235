import type { Socket } from 'node:net';
import { AnswerParser } from './answer-parser.ts';
import type { AnswerEvents } from './answer-parser.ts';
import type { OpenedUpstream } from './open-upstream.ts';
import { formatRequest, formatTrailers } from './request-text.ts';
import type { UpstreamAnswer, UpstreamCall, UpstreamRequest } from './upstream-answer.ts';

export interface AnswerLimits {
  readonly headersTimeoutMs: number;
  readonly bodyIdleTimeoutMs: number;
  readonly maxHeaderBytes: number;
}

/** Who keeps a connection between requests. */
export interface ConnectionKeeper {
  /** Its answer has ended, and it can carry another request. */
  free(connection: UpstreamConnection): void;
  /** Once, whatever closed it. */
  closed(connection: UpstreamConnection): void;
}

/** How long one may lie idle whose upstream does not say; where it says, somewhat less than that. */
const keepAliveMs = 4000;
const keepAliveMaxMs = 60_000;
const keepAliveMarginMs = 1000;

const brokenOff = (): Error => Object.assign(new Error('broken off'), { code: 'ECONNRESET' });
const timeout = (what: string): Error => Object.assign(new Error(what), { code: 'ETIMEDOUT' });

/** An HTTP/1.1 connection to an upstream, used by one request at a time. */
export class UpstreamConnection implements AnswerEvents {
  readonly opened: OpenedUpstream;
  /** Never used again after the request that runs: it carries more than that request, such as an NTLM sign-in. */
  isSpent: boolean;
  isClosed = false;
  readonly #limits: AnswerLimits;
  readonly #keeper: ConnectionKeeper;
  readonly #parser: AnswerParser;
  #call: Call | undefined;
  #hasHead = false;
  #isBodySent = true;
  #isClientAwaited = false;
  #failure: Error | undefined;
  /** Of `performance.now()`: what we wait for has to have happened by then. */
  #deadline: number;

  /** @param isKept whether it may carry more than one request. */
  constructor(opened: OpenedUpstream, limits: AnswerLimits, keeper: ConnectionKeeper, isKept: boolean) {
    this.opened = opened;
    this.isSpent = !isKept;
    this.#limits = limits;
    this.#keeper = keeper;
    this.#parser = new AnswerParser(this, limits.maxHeaderBytes);
    this.#deadline = performance.now() + keepAliveMs;
    const { socket } = opened;
    socket
      .on('data', this.#onBytes)
      .on('end', this.#onEnding)
      .on('close', this.#onClosed)
      .on('error', this.#onFailure);
    // Dialled sockets come paused, so that nothing that an upstream says first is lost.
    socket.resume();
  }

  /** Sends a request; only while no other is under way. `answer` hears where it goes at once, and all else later. */
  send(request: UpstreamRequest, answer: UpstreamAnswer): UpstreamCall {
    const { socket, dialled, text } = this.opened;
    const call = new Call(this, answer);
    this.#call = call;
    this.#hasHead = false;
    answer.onStart(dialled, text);
    try {
      const head = formatRequest(request, this.isSpent);
      if (socket.destroyed) throw brokenOff();
      call.hasStarted = true;
      this.#parser.expect(request.method, request.upgrade !== undefined);
      this.#isBodySent = request.body === undefined;
      this.#isClientAwaited = false;
      this.#waitOn();
      if (request.body === undefined) socket.write(head, 'latin1');
      else {
        // The head waits for no body, but one that is there already goes out with it.
        socket.cork();
        socket.write(head, 'latin1');
        process.nextTick(() => socket.uncork());
        this.#sendBody(call, request, request.body).catch((error: unknown) => this.fail(call, error));
      }
    } catch (error) {
      process.nextTick(() => this.fail(call, error));
    }
    return call;
  }

  /** To be called now and then: gives up on what has waited too long, an idle connection included. */
  expire(now: number): void {
    if (now < this.#deadline) return;
    if (this.#call === undefined) this.destroy();
    else this.fail(this.#call, timeout(this.#hasHead ? 'body stopped' : 'no answer'));
  }

  /** It was taken, and is not needed after all. */
  giveBack(): void {
    if (this.isSpent || this.opened.socket.destroyed) this.destroy();
    else this.#keeper.free(this);
  }

  destroy(): void {
    this.opened.socket.destroy();
    this.#close();
  }

  /** For the call alone. */
  resume(call: Call): void {
    if (call !== this.#call || !this.opened.socket.isPaused()) return;
    this.opened.socket.resume();
    this.#waitOn();
  }

  /** For the call alone. */
  abort(call: Call): void {
    if (call !== this.#call) return;
    this.#call = undefined;
    this.destroy();
  }

  fail(call: Call, error: unknown): void {
    if (call !== this.#call) return;
    this.abort(call);
    call.answer.onError(error);
  }

  async #sendBody(
    call: Call,
    { contentLength, trailers }: UpstreamRequest,
    body: AsyncIterable<Buffer>,
  ): Promise<void> {
    const { socket } = this.opened;
    const waitForClient = (isAwaited: boolean): boolean => {
      if (call !== this.#call) return false;
      this.#isClientAwaited = isAwaited;
      this.#waitOn();
      return true;
    };
    waitForClient(true);
    for await (const chunk of body) {
      if (!waitForClient(false)) return;
      if (!writePiece(socket, chunk, contentLength === undefined)) await drained(socket);
      if (!waitForClient(true)) return;
    }
    if (!waitForClient(false)) return;
    if (contentLength === undefined) socket.write(formatTrailers(trailers()), 'latin1');
    this.#isBodySent = true;
  }

  /** Something moved. The upstream has its time again, unless it is the client that is waited for, who has its own. */
  #waitOn(): void {
    const { headersTimeoutMs, bodyIdleTimeoutMs } = this.#limits;
    this.#deadline =
      this.#isClientAwaited || this.opened.socket.isPaused()
        ? Number.POSITIVE_INFINITY
        : performance.now() + (this.#hasHead ? bodyIdleTimeoutMs : headersTimeoutMs);
  }

  readonly #onBytes = (chunk: Buffer): void => {
    // An upstream that speaks unasked would be heard as the answer to the next request.
    if (this.#call === undefined) return this.destroy();
    const call = this.#call;
    try {
      this.#parser.push(chunk);
    } catch (error) {
      this.fail(call, error);
    }
  };

  readonly #onEnding = (): void => {
    const call = this.#call;
    if (call === undefined) return this.destroy();
    try {
      if (!this.#parser.finish()) this.fail(call, brokenOff());
    } catch (error) {
      this.fail(call, error);
    }
  };

  readonly #onClosed = (): void => {
    if (this.#call !== undefined) this.fail(this.#call, this.#failure ?? brokenOff());
    this.#close();
  };

  /** `close` follows. */
  readonly #onFailure = (error: Error): void => {
    this.#failure = error;
  };

  #close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#keeper.closed(this);
  }

  onInformation(status: number, fields: readonly string[]): void {
    this.#call?.answer.onInformation(status, fields);
  }

  onHead(status: number, statusText: string, fields: readonly string[], contentLength?: number): void {
    const call = this.#call;
    if (call === undefined) return;
    this.#hasHead = true;
    call.hasAnswered = true;
    this.#waitOn();
    call.answer.onHead(status, statusText, fields, contentLength);
  }

  onData(chunk: Buffer): void {
    const call = this.#call;
    if (call === undefined) return;
    if (!call.answer.onData(chunk)) this.opened.socket.pause();
    this.#waitOn();
  }

  onEnd(trailers: readonly string[], rest: boolean): void {
    const call = this.#call;
    if (call === undefined) return;
    this.#call = undefined;
    const { keepsAlive, keepAliveSeconds } = this.#parser;
    const idle = idleMs(keepAliveSeconds);
    if (this.isSpent || rest || !keepsAlive || idle <= 0 || !this.#isBodySent) this.destroy();
    else {
      this.#deadline = performance.now() + idle;
      if (this.opened.socket.isPaused()) this.opened.socket.resume();
      this.#keeper.free(this);
    }
    call.answer.onEnd(trailers);
  }

  onUpgrade(fields: readonly string[], head: Buffer): void {
    const call = this.#call;
    if (call === undefined) return;
    this.#call = undefined;
    const { socket } = this.opened;
    socket.pause();
    socket.off('data', this.#onBytes).off('end', this.#onEnding).off('close', this.#onClosed);
    this.#close();
    call.answer.onUpgrade(fields, socket, head);
  }
}

const idleMs = (saidSeconds: number | undefined): number =>
  saidSeconds === undefined ? keepAliveMs : Math.min(saidSeconds * 1000 - keepAliveMarginMs, keepAliveMaxMs);

/** One request on a connection. When it is over, nothing that is done to it reaches the requests after it. */
class Call implements UpstreamCall {
  readonly answer: UpstreamAnswer;
  hasStarted = false;
  hasAnswered = false;
  readonly #connection: UpstreamConnection;

  constructor(connection: UpstreamConnection, answer: UpstreamAnswer) {
    this.#connection = connection;
    this.answer = answer;
  }

  resume(): void {
    this.#connection.resume(this);
  }

  bindConnection(): void {
    this.#connection.isSpent = true;
  }

  abort(): void {
    this.#connection.abort(this);
  }
}

function writePiece(socket: Socket, piece: Buffer, isChunked: boolean): boolean {
  if (!isChunked) return socket.write(piece);
  // An empty chunk would be the last one.
  if (piece.length === 0) return true;
  socket.cork();
  socket.write(`${piece.length.toString(16)}\r\n`, 'latin1');
  socket.write(piece);
  const isReady = socket.write('\r\n', 'latin1');
  socket.uncork();
  return isReady;
}

const drained = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done).off('close', done);
      resolve();
    };
    if (socket.destroyed) return resolve();
    socket.on('drain', done).on('close', done);
  });
