import type {
  ClientHttp2Session,
  ClientHttp2Stream,
  IncomingHttpHeaders,
  OutgoingHttpHeaders,
} from 'node:http2';
import { once } from 'node:events';

export interface Http2Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly trailers: IncomingHttpHeaders;
  readonly informational: readonly number[];
  readonly rstCode: number;
}

/** One request on a session, read to its end, however it ends. */
export async function http2Request(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body?: string | Buffer,
  trailers?: OutgoingHttpHeaders,
): Promise<Http2Answer> {
  const stream = session.request(headers, {
    endStream: body === undefined,
    waitForTrailers: trailers !== undefined,
  });
  stream.on('error', () => undefined);
  if (trailers !== undefined) stream.once('wantTrailers', () => stream.sendTrailers(trailers));
  if (body !== undefined) stream.end(body);
  const informational: number[] = [];
  let answered: IncomingHttpHeaders = {};
  let trailing: IncomingHttpHeaders = {};
  let text = '';
  stream.on('headers', (fields) => informational.push(Number(fields[':status'])));
  stream.on('response', (fields) => (answered = fields));
  stream.on('trailers', (fields) => (trailing = fields));
  stream.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  stream.resume();
  await new Promise((resolve) => stream.once('close', resolve));
  return {
    status: Number(answered[':status'] ?? 0),
    headers: answered,
    body: text,
    trailers: trailing,
    informational,
    rstCode: stream.rstCode,
  };
}

/** A CONNECT that must be granted. */
export async function http2Tunnel(
  session: ClientHttp2Session,
  authority: string,
  token?: string,
): Promise<ClientHttp2Stream> {
  const stream = session.request(
    {
      ':method': 'CONNECT',
      ':authority': authority,
      ...(token === undefined ? {} : { 'proxy-authorization': `Bearer ${token}` }),
    },
    { endStream: false },
  );
  stream.on('error', () => undefined);
  const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders];
  if (Number(headers[':status']) !== 200) throw new Error(`CONNECT answered ${String(headers[':status'])}`);
  return stream;
}

/** Asks for a WebSocket by extended CONNECT (RFC 8441); what comes of it is the caller's to see. */
export function http2WebSocket(
  session: ClientHttp2Session,
  authority: string,
  token: string,
): ClientHttp2Stream {
  const stream = session.request(
    {
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':scheme': 'https',
      ':path': '/live',
      ':authority': authority,
      'sec-websocket-version': '13',
      'proxy-authorization': `Bearer ${token}`,
    },
    { endStream: false },
  );
  stream.on('error', () => undefined);
  return stream;
}
