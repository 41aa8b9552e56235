import type { IncomingMessage } from 'node:http';

/** Bodies up to this are read before they are sent, so that they can be sent again. */
const mostBufferedBytes = 64 * 1024;

/** RFC 9110, section 9.2.2: to ask twice has the effect of asking once. */
const idempotentMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

export const isIdempotent = (request: IncomingMessage): boolean =>
  idempotentMethods.has(request.method ?? '');

export const hasBody = (request: IncomingMessage): boolean =>
  request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;

/**
 * The whole of a small body; undefined for one that is streamed: a large one, one of unknown length, which may have
 * trailers behind it, and one whose sender waits for the application to want it.
 * @throws where the client breaks off in it.
 */
export async function bufferBody(request: IncomingMessage): Promise<Buffer | undefined> {
  if (!hasBody(request)) return Buffer.alloc(0);
  const isStreamed =
    request.headers['transfer-encoding'] !== undefined ||
    request.headers.expect !== undefined ||
    Number(request.headers['content-length']) > mostBufferedBytes;
  if (isStreamed) return undefined;
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}
