import type { Duplex, Readable } from 'node:stream';
import type { Refusal } from '../contract/refusals.ts';
import type { FlowId } from '../domain/ids.ts';
import type { App } from '../domain/resources.ts';
import type { ClientConnection } from './listener/client-connection.ts';

/** The CONNECT tunnel that a request came through: its app and subject are the tunnel's. */
export interface TunnelContext {
  readonly flowId: FlowId;
  readonly app: App;
  readonly port: number;
}

/**
 * One request and the way to answer it, the same for HTTP/1.1 and HTTP/2. Nothing here throws for what a peer does; an
 * answer to a client that is gone goes nowhere.
 */
export interface Exchange {
  readonly connection: ClientConnection;
  readonly tunnel: TunnelContext | undefined;
  readonly httpVersion: '1.0' | '1.1' | '2.0';
  readonly method: string;
  /** As received: origin form, absolute form, or for CONNECT the authority. */
  readonly target: string;
  /** `:authority` of HTTP/2; HTTP/1.1 has it among its headers. */
  readonly authority: string | undefined;
  readonly scheme: 'http' | 'https';
  /** Flat list of names and values as received, without pseudo-header fields. */
  readonly rawHeaders: readonly string[];
  readonly hasBody: boolean;
  readonly body: Readable;
  /** Why the body cannot be read to its end. */
  readonly bodyFailure: Refusal | undefined;
  /** Protocol of an `Upgrade` that the client asks for. */
  readonly upgrade: string | undefined;
  /** Whether the client waits for 100 before it sends its body. */
  readonly expectsContinue: boolean;
  /** The answer can no longer reach the client. */
  readonly isClosed: boolean;
  /** Fields behind a chunked body, once it has ended. */
  trailers(): readonly string[];
  sendContinue(): void;
  sendInformation(status: number, headers: readonly string[]): void;
  /** @throws for field values that HTTP cannot carry, before anything was sent. */
  sendHead(status: number, statusText: string, headers: readonly string[]): void;
  /** Sends the head now, though nothing of the body is there yet. */
  flushHead(): void;
  /** False asks to wait for `onDrain`. */
  sendData(chunk: Buffer): boolean;
  sendEnd(chunk?: Buffer, trailers?: readonly string[]): void;
  /** Breaks off, so that what was sent cannot be taken for a whole answer. */
  abort(): void;
  onDrain(callback: () => void): void;
  /** Called once when the exchange is over, whether the answer arrived or not. */
  onClose(callback: () => void): void;
  /** Answers a CONNECT or an upgrade with success; what follows are raw bytes both ways. */
  accept(status: number, headers: readonly string[]): Duplex;
}
