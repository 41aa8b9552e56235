import type { Socket } from 'node:net';
import type { DialledUpstream } from '../../domain/flow.ts';

/** A request on its way to an upstream. */
export interface UpstreamRequest {
  readonly method: string;
  readonly target: string;
  /** Names and values of what is sent, framing and `fixedHeaders` excepted. */
  readonly headers: readonly string[];
  /** Fields that many requests share, Host among them, as formatFields made them. */
  readonly fixedHeaders: string;
  /** Undefined: no body. */
  readonly body: AsyncIterable<Buffer> | undefined;
  /** 0 also without a body, where the request says so; undefined with one: chunked. */
  readonly contentLength: number | undefined;
  /** Protocol to ask an upgrade to. */
  readonly upgrade: string | undefined;
  /** Fields behind the body, asked for once it has ended. */
  readonly trailers: () => readonly string[];
}

/** What an upstream says; all of it is untrusted. Exactly one of `onEnd`, `onUpgrade` and `onError` comes last. */
export interface UpstreamAnswer {
  /** The request is on its way to this place. */
  onStart(dialled: DialledUpstream, text: string): void;
  /** 1xx but for 101. */
  onInformation(status: number, headers: readonly string[]): void;
  /** @param contentLength of the field, also where no body follows. */
  onHead(status: number, statusText: string, headers: readonly string[], contentLength?: number): void;
  /** False asks for a pause until `resume`. */
  onData(chunk: Buffer): boolean;
  onEnd(trailers: readonly string[]): void;
  onUpgrade(headers: readonly string[], socket: Socket, head: Buffer): void;
  onError(error: unknown): void;
}

/** Holds a request that runs. */
export interface UpstreamCall {
  /** Whether anything of the request may have reached the upstream. */
  readonly hasStarted: boolean;
  readonly hasAnswered: boolean;
  resume(): void;
  /** The connection stands for this user from now on: no other request may use it. */
  bindConnection(): void;
  /** Ends it at once, and the connection with it. No further word comes to the answer. */
  abort(): void;
}
