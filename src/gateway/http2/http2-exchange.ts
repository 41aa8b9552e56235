import { constants } from 'node:http2';
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { ClientConnection } from '../listener/client-connection.ts';
import type { Exchange, TunnelContext } from '../exchange.ts';
import { pairsOf } from '../fields/raw-fields.ts';

/** Fields that HTTP/2 has no use for (RFC 9113, section 8.2.2). */
const notInHttp2 = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'proxy-connection']);

/** An exchange on one stream of an HTTP/2 session. */
export class Http2Exchange implements Exchange {
  readonly connection: ClientConnection;
  readonly tunnel: TunnelContext | undefined;
  readonly httpVersion = '2.0';
  readonly bodyFailure = undefined;
  readonly method: string;
  readonly target: string;
  readonly authority: string | undefined;
  readonly scheme: 'http' | 'https';
  readonly rawHeaders: readonly string[];
  readonly hasBody: boolean;
  readonly upgrade: string | undefined;
  readonly expectsContinue: boolean;
  readonly #stream: ServerHttp2Stream;
  #trailers: readonly string[] = [];
  #answerTrailers: readonly string[] | undefined;
  #isOver = false;
  #closed: (() => void) | undefined;

  constructor(
    owner: { readonly connection: ClientConnection; readonly tunnel: TunnelContext | undefined },
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    rawHeaders: readonly string[],
    endsStream: boolean,
  ) {
    this.connection = owner.connection;
    this.tunnel = owner.tunnel;
    const protocol = headers[':protocol'];
    // RFC 8441: a CONNECT with a protocol is a request to upgrade in other clothes.
    this.upgrade = protocol;
    this.method = protocol === undefined ? (headers[':method'] ?? '') : 'GET';
    this.authority = headers[':authority'];
    this.target = this.method === 'CONNECT' ? (this.authority ?? '') : (headers[':path'] ?? '');
    this.scheme = headers[':scheme'] === 'http' ? 'http' : 'https';
    this.rawHeaders = withoutPseudo(rawHeaders);
    this.hasBody = !endsStream && this.method !== 'CONNECT' && protocol === undefined;
    this.expectsContinue = headers.expect === '100-continue';
    this.#stream = stream;
    stream.on('error', () => undefined);
    stream.once('close', () => {
      if (this.#isOver) return;
      this.#isOver = true;
      this.#closed?.();
    });
    if (this.hasBody) {
      stream.once('trailers', (_trailers: unknown, _flags: unknown, raw?: readonly string[]) => {
        this.#trailers = raw ?? [];
      });
    }
  }

  get body(): ServerHttp2Stream {
    return this.#stream;
  }

  get isClosed(): boolean {
    return this.#isOver || this.#stream.destroyed;
  }

  trailers(): readonly string[] {
    return this.#trailers;
  }

  sendContinue(): void {
    if (!this.isClosed) this.#stream.additionalHeaders({ ':status': 100 });
  }

  sendInformation(status: number, headers: readonly string[]): void {
    if (this.isClosed || this.#stream.headersSent) return;
    try {
      this.#stream.additionalHeaders({ ':status': status, ...byName(headers) });
    } catch {
      // What Node does not send, such as two of a field that stands once, is only a hint here: the answer still comes.
    }
  }

  sendHead(status: number, _statusText: string, headers: readonly string[]): void {
    if (this.isClosed) return;
    const fields: string[] = [':status', String(status)];
    let isFramed = false;
    for (let index = 0; index + 1 < headers.length; index += 2) {
      const name = (headers[index] ?? '').toLowerCase();
      if (notInHttp2.has(name)) continue;
      isFramed ||= name === 'content-length';
      fields.push(name, headers[index + 1] ?? '');
    }
    // Only a body of unknown length may end in trailers.
    const waitForTrailers = !isFramed;
    this.#stream.respond(fields, { waitForTrailers });
    if (waitForTrailers) this.#stream.once('wantTrailers', () => this.#sendTrailers());
  }

  flushHead(): void {
    // An answer's head is a frame of its own and waits for nothing.
  }

  sendData(chunk: Buffer): boolean {
    return this.isClosed || this.#stream.write(chunk);
  }

  sendEnd(chunk?: Buffer, trailers?: readonly string[]): void {
    if (this.isClosed) return;
    this.#answerTrailers = trailers;
    const stream = this.#stream;
    this.#isOver = true;
    stream.end(chunk);
    // A body that nobody reads any more would hold the session's window (RFC 9113, section 8.1).
    if (this.hasBody && !stream.readableEnded) {
      stream.once('finish', () => {
        if (!stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
      });
      stream.resume();
    }
  }

  abort(): void {
    if (this.#isOver && this.#stream.closed) return;
    this.#isOver = true;
    // Not `close(code)`: while the writable side is open Node sends END_STREAM before the reset, and half a body reads as a whole one.
    if (!this.#stream.destroyed) this.#stream.destroy(new Error('broken off by the gateway'));
  }

  onDrain(callback: () => void): void {
    if (!this.isClosed) this.#stream.once('drain', callback);
  }

  onClose(callback: () => void): void {
    if (this.isClosed) process.nextTick(callback);
    else this.#closed = callback;
  }

  accept(_status: number, headers: readonly string[]): Duplex {
    this.#isOver = true;
    const fields = [':status', '200'];
    for (const [name, value] of pairsOf(headers)) {
      if (!notInHttp2.has(name) && name !== 'sec-websocket-accept') fields.push(name, value);
    }
    if (!this.#stream.destroyed) this.#stream.respond(fields);
    return this.#stream;
  }

  #sendTrailers(): void {
    const stream = this.#stream;
    if (stream.destroyed) return;
    try {
      stream.sendTrailers(byName(this.#answerTrailers ?? []));
    } catch {
      // The answer is whole without them, and not without an end.
      stream.sendTrailers({});
    }
  }
}

/** Each name once, with all its values. */
function byName(fields: readonly string[]): Record<string, string[]> {
  const values: Record<string, string[]> = Object.create(null) as Record<string, string[]>;
  for (const [name, value] of pairsOf(fields)) (values[name] ??= []).push(value);
  return values;
}

function withoutPseudo(raw: readonly string[]): string[] {
  const fields: string[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? '';
    if (!name.startsWith(':')) fields.push(name, raw[index + 1] ?? '');
  }
  return fields;
}
