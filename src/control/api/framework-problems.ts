import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { GatewayError } from '../../contract/gateway-error.ts';
import { buildProblem } from '../../contract/refusals.ts';
import type { ControlApp } from './control-parts.ts';
import { sendProblem } from './problem-handler.ts';

/**
 * What Node's parser refuses before there is a request: problem details like every other refusal, written by hand, since
 * there is no reply to write them with.
 */
export function answerClientError(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  // A handshake that was too slow or went wrong: HTTP has no part in it yet, and what is written now would be sent once it is
  // done, as the answer to a request that nobody has read.
  if (/^ERR_(?:TLS|SSL)_/.test(error.code ?? '')) return void socket.destroy();
  const code =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? 'request-timeout'
      : error.code === 'HPE_HEADER_OVERFLOW'
        ? 'headers-too-large'
        : 'bad-request';
  const problem = buildProblem(code);
  const body = JSON.stringify(problem);
  if (socket.writable)
    socket.write(
      `HTTP/1.1 ${problem.status} ${problem.title}\r\nContent-Type: application/problem+json\r\nCache-Control: no-store\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    );
  socket.destroySoon();
}

/**
 * Answers what no route takes: 405 with `Allow` where the path has routes of other methods, 404 otherwise. To be called
 * before any route is added.
 */
export function refuseUnknownRoutes(app: ControlApp): void {
  const routes: { readonly path: RegExp; readonly method: string }[] = [];
  app.addHook('onRoute', ({ url, method }) => {
    const path = new RegExp(`^${url.replaceAll('.', '\\.').replaceAll(/:[A-Za-z]+/g, '[^/]+')}$`);
    for (const each of [method].flat()) routes.push({ path, method: each });
  });
  app.setNotFoundHandler((request: FastifyRequest, reply: FastifyReply) => {
    const [path = ''] = request.url.split('?');
    const allowed = routes.filter((route) => route.path.test(path)).map(({ method }) => method);
    if (allowed.length === 0) return sendProblem(new GatewayError('not-found'), request, reply);
    reply.header('allow', [...new Set(allowed)].sort().join(', '));
    return sendProblem(new GatewayError('method-not-allowed'), request, reply);
  });
}
