import { ServerResponse } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Refusal } from '../../contract/refusals.ts';
import type { Bag, Bagged } from '../listener/bag.ts';
import type { ClientConnection } from '../listener/client-connection.ts';
import type { Exchange, TunnelContext } from '../exchange.ts';
import { pairsOf } from '../fields/raw-fields.ts';

/** How long a client may go on sending a body that nobody wants, so that it can read why. */
const lingerMs = 1000;
const maxDiscardedBytes = 65_536;

/** What all exchanges of one HTTP/1.1 connection share. */
export interface Http1Connection {
  readonly connection: ClientConnection;
  readonly tunnel: TunnelContext | undefined;
  readonly scheme: 'http' | 'https';
  readonly socket: Duplex;
  readonly open: Bag<Http1Exchange>;
  /** Of `performance.now()`; infinite while an exchange is open, and once the connection has become another protocol's. */
  idleSince: number;
}

/** An exchange over HTTP/1.1. */
export class Http1Exchange implements Exchange, Bagged {
  next: this | undefined = undefined;
  previous: this | undefined = undefined;
  readonly connection: ClientConnection;
  readonly tunnel: TunnelContext | undefined;
  readonly httpVersion: '1.0' | '1.1';
  readonly method: string;
  readonly target: string;
  readonly authority = undefined;
  readonly scheme: 'http' | 'https';
  readonly rawHeaders: readonly string[];
  readonly hasBody: boolean;
  readonly upgrade: string | undefined;
  readonly expectsContinue: boolean;
  readonly #owner: Http1Connection;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #head: Buffer | undefined;
  bodyFailure: Refusal | undefined = undefined;
  #isOver = false;
  #isAccepted = false;
  #closed: (() => void) | undefined;

  constructor(
    owner: Http1Connection,
    request: IncomingMessage,
    response: ServerResponse,
    more: { upgrade?: string; expectsContinue?: boolean; head?: Buffer } = {},
  ) {
    this.connection = owner.connection;
    this.tunnel = owner.tunnel;
    this.scheme = owner.scheme;
    this.httpVersion = request.httpVersionMinor === 0 ? '1.0' : '1.1';
    this.method = request.method ?? '';
    this.target = request.url ?? '';
    this.rawHeaders = request.rawHeaders;
    this.upgrade = more.upgrade;
    this.expectsContinue = more.expectsContinue ?? false;
    this.#owner = owner;
    this.#request = request;
    this.#response = response;
    this.#head = more.head;
    this.hasBody = announcesBody(request.rawHeaders);
    // What goes wrong with a body is told to its reader, when there is one.
    if (this.hasBody) request.on('error', () => undefined);
    owner.open.add(this);
    owner.idleSince = Number.POSITIVE_INFINITY;
  }

  get body(): IncomingMessage {
    return this.#request;
  }

  get isClosed(): boolean {
    return this.#isOver || this.#owner.socket.destroyed;
  }

  trailers(): readonly string[] {
    return this.#request.rawTrailers;
  }

  sendContinue(): void {
    if (!this.isClosed) this.#response.writeContinue();
  }

  sendInformation(status: number, headers: readonly string[]): void {
    // While answers to requests before this one are still to come, it would end up in the middle of one of them.
    if (this.isClosed || this.httpVersion === '1.0' || this.#response.socket === null) return;
    this.#owner.socket.write(formatHead(`HTTP/1.1 ${status} `, headers), 'latin1');
  }

  sendHead(status: number, statusText: string, headers: readonly string[]): void {
    if (this.isClosed) return;
    const response = this.#response;
    if (this.hasBody && !this.#request.complete) response.shouldKeepAlive = false;
    // What is already framed by the upstream must not be framed again.
    response.sendDate = true;
    if (statusText === '') response.writeHead(status, headers as string[]);
    else response.writeHead(status, statusText, headers as string[]);
  }

  flushHead(): void {
    if (!this.isClosed) this.#response.flushHeaders();
  }

  sendData(chunk: Buffer): boolean {
    return this.isClosed || this.#response.write(chunk);
  }

  sendEnd(chunk?: Buffer, trailers?: readonly string[]): void {
    if (this.isClosed) return;
    if (trailers !== undefined && trailers.length > 0) this.#response.addTrailers(pairsOf(trailers));
    if (this.hasBody && !this.#request.complete) this.#discardBody();
    if (chunk === undefined) this.#response.end();
    else this.#response.end(chunk);
    this.#finish();
  }

  abort(): void {
    if (this.#isOver) return;
    this.#owner.socket.destroy();
    this.#finish();
  }

  onDrain(callback: () => void): void {
    if (!this.isClosed) this.#response.once('drain', callback);
  }

  onClose(callback: () => void): void {
    if (this.isClosed) process.nextTick(callback);
    else this.#closed = callback;
  }

  accept(status: number, headers: readonly string[]): Duplex {
    const { socket } = this.#owner;
    this.#isAccepted = true;
    this.#finish();
    const isConnect = this.method === 'CONNECT';
    const more = isConnect ? headers : ['connection', 'upgrade', 'upgrade', this.upgrade ?? '', ...headers];
    const reason = isConnect ? 'Connection Established' : 'Switching Protocols';
    socket.write(formatHead(`HTTP/1.1 ${status} ${reason}`, more), 'latin1');
    if (this.#head !== undefined && this.#head.length > 0) socket.unshift(this.#head);
    return socket;
  }

  /** The parser cannot read on. True when it is this request's body that it cannot read. */
  breakBody(refusal: Refusal): boolean {
    this.#response.shouldKeepAlive = false;
    if (!this.hasBody || this.#request.complete) return false;
    this.bodyFailure = refusal;
    this.#request.emit('error', new Error(refusal.code));
    return true;
  }

  /** The connection is gone, or the answer is: called by the server. */
  closed(): void {
    if (this.#isOver || this.#isAccepted) return;
    this.#finish();
    this.#closed?.();
  }

  #finish(): void {
    const owner = this.#owner;
    this.#isOver = true;
    owner.open.delete(this);
    if (owner.open.size === 0 && !this.#isAccepted) owner.idleSince = performance.now();
  }

  /** Closing at once would reset the connection and take the answer from the client's hands (RFC 9112, section 9.6). */
  #discardBody(): void {
    const { socket } = this.#owner;
    const request = this.#request;
    const timer = setTimeout(() => socket.destroy(), lingerMs);
    let discarded = 0;
    request.on('data', (chunk: Buffer) => {
      discarded += chunk.length;
      if (discarded > maxDiscardedBytes) request.pause();
    });
    request.once('end', () => clearTimeout(timer));
    socket.once('close', () => clearTimeout(timer));
  }
}

function formatHead(statusLine: string, headers: readonly string[]): string {
  let text = `${statusLine}\r\n`;
  for (let index = 0; index + 1 < headers.length; index += 2)
    text += `${headers[index]}: ${headers[index + 1]}\r\n`;
  return `${text}\r\n`;
}

/** RFC 9112, section 6.3. By the raw fields: to ask for `headers` would make an object of all of them. */
function announcesBody(rawHeaders: readonly string[]): boolean {
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const raw = rawHeaders[index] ?? '';
    if (raw.length === 14 && raw.toLowerCase() === 'content-length') return rawHeaders[index + 1] !== '0';
    if (raw.length === 17 && raw.toLowerCase() === 'transfer-encoding') return true;
  }
  return false;
}

/** An answer on a socket that the HTTP server has let go of, because of an upgrade or a CONNECT. */
export function answerOn(request: IncomingMessage, socket: Duplex): ServerResponse {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket as Parameters<ServerResponse['assignSocket']>[0]);
  response.once('finish', () => {
    response.detachSocket(socket as Parameters<ServerResponse['assignSocket']>[0]);
    socket.end();
  });
  return response;
}
