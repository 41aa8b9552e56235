import type { Dispatcher } from 'undici';
import { toFields } from '../raw-fields.ts';
import type { UpstreamAnswer, UpstreamCall, UpstreamRequest } from './upstream-answer.ts';
import type { UpstreamConnection, UpstreamPool } from './upstream-pool.ts';

/**
 * One request on a kept connection, through undici's low-level handler. It carries requests without a body or with one
 * of known length: undici sends the header section together with the first piece of a body, and no trailers.
 */
export class KeptCall implements UpstreamCall, Dispatcher.DispatchHandler {
  readonly #pool: UpstreamPool;
  readonly #connection: UpstreamConnection;
  readonly #answer: UpstreamAnswer;
  #controller: Dispatcher.DispatchController | undefined;
  #isOver = false;
  /** Whether anything of the request may have reached the upstream. */
  hasStarted = false;
  hasAnswered = false;

  constructor(pool: UpstreamPool, connection: UpstreamConnection, answer: UpstreamAnswer) {
    this.#pool = pool;
    this.#connection = connection;
    this.#answer = answer;
  }

  send({ method, target, headers, body, contentLength }: UpstreamRequest): void {
    const { dialled, text, client } = this.#connection;
    this.#answer.onStart(dialled, text);
    if (body !== undefined && contentLength !== undefined)
      headers.push('content-length', String(contentLength));
    client.dispatch({ method, path: target, headers, body: body as unknown as null, reset: false }, this);
  }

  resume(): void {
    this.#controller?.resume();
  }

  abort(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#connection.isSpent = true;
    this.#controller?.abort(new Error('aborted'));
    this.#pool.giveBack(this.#connection);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.hasStarted = true;
    this.#controller = controller;
    if (this.#isOver) controller.abort(new Error('aborted'));
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    statusText = '',
  ): void {
    if (this.#isOver) return;
    this.hasAnswered = true;
    const fields = toFields(controller.rawHeaders as readonly (Buffer | string)[]);
    if (status < 200) this.#answer.onInformation(status, fields);
    else this.#answer.onHead(status, statusText, fields);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#isOver && !this.#answer.onData(chunk)) controller.pause();
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const trailers = controller.rawTrailers as readonly (Buffer | string)[] | null | undefined;
    this.#pool.giveBack(this.#connection);
    this.#answer.onEnd(toFields(trailers ?? []));
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#connection.isSpent = true;
    this.#pool.giveBack(this.#connection);
    this.#answer.onError(error);
  }
}
