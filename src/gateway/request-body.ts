import { bodyTooSlow } from './body-errors.ts';
import type { ClientRequest } from './exchange.ts';

/**
 * The body of a request as a stream of chunks for the upstream, or null where there is none. A client that stops
 * sending while we wait for it is given up on; while the upstream does not take more, nobody counts.
 */
export function readBody(
  request: ClientRequest,
  idleTimeoutMs: number,
  count: (bytes: number) => void,
): AsyncIterable<Buffer> | null {
  if (!hasBody(request)) return null;
  return chunksOf(request, idleTimeoutMs, count);
}

function hasBody(request: ClientRequest): boolean {
  if ('stream' in request && request.httpVersionMajor === 2) return !request.stream.endAfterHeaders;
  const { headers } = request;
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

async function* chunksOf(
  request: ClientRequest,
  idleTimeoutMs: number,
  count: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  const timer = setTimeout(() => request.destroy(bodyTooSlow), idleTimeoutMs);
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      clearTimeout(timer);
      count(chunk.length);
      yield chunk;
      timer.refresh();
    }
  } finally {
    clearTimeout(timer);
  }
}
