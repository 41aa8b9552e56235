import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { renderProblemPage, wantsPage } from '../../src/contract/problem-page.ts';
import { buildProblem, refusals } from '../../src/contract/refusals.ts';
import type { RefusalCode } from '../../src/contract/refusals.ts';
import { parseProblem, parseProblemText } from '../control/problem.ts';
import type { PeerProblem } from '../control/problem.ts';
import { languageWished } from '../language.ts';
import type { Language } from '../language.ts';
import type { RefusedTunnel } from '../proxy/connect-tunnel.ts';
import { onFirstByte } from '../proxy/first-byte.ts';
import { ownHeaders } from '../proxy/problem-answer.ts';
import { accessDenied, fatalAlert, internalError, isTlsHandshake } from './tls-alert.ts';

/** What was refused, as a person and a program can be told. */
export function problemOf(refused: RefusedTunnel, language: Language): PeerProblem {
  if ('answer' in refused)
    return parseProblemText(refused.answer.status, refused.answer.body.toString('utf8'));
  const { refusal, detail } = refused;
  const problem = buildProblem(refusal, language, detail === undefined ? {} : { detail });
  return parseProblem(problem.status, problem);
}

/**
 * Refuses a connection that a program made to an address of this laptop, in what the program speaks, as far as its
 * protocol can say it. Whoever waits for the other side to speak first learns no more than that nobody does.
 */
export interface ConnectionRefuser {
  /** @param protocol of the application. */
  refuse(socket: Socket, protocol: string | undefined, problem: PeerProblem): void;
}

export function createConnectionRefuser(options: {
  readonly language: Language;
  readonly limits: { readonly headersTimeoutMs: number; readonly maxHeaderBytes: number };
}): ConnectionRefuser {
  const { limits } = options;
  const problems = new WeakMap<Socket, PeerProblem>();
  // Never listens: it is given the connections that were refused already.
  const server = createServer(
    { maxHeaderSize: limits.maxHeaderBytes, headersTimeout: limits.headersTimeoutMs, keepAliveTimeout: 1 },
    (request, response) => {
      const problem = problems.get(request.socket);
      if (problem === undefined) return void response.destroy();
      answer(
        request,
        response,
        problem,
        languageWished(request.headers['accept-language'], options.language),
      );
    },
  );
  server.on('clientError', (_error, socket) => socket.destroy());

  return {
    refuse(socket, protocol, problem) {
      if (protocol !== 'http' && protocol !== 'tls') return void socket.resetAndDestroy();
      onFirstByte(socket, limits.headersTimeoutMs, (first) => {
        if (isTlsHandshake(first)) return endWithAlert(socket, problem, limits.headersTimeoutMs);
        if (protocol !== 'http') return void socket.resetAndDestroy();
        problems.set(socket, problem);
        server.emit('connection', socket);
      });
      // It came at rest.
      socket.resume();
    },
  };
}

/** The program has just begun its handshake; an alert in the place of the answer to that ends it with a reason. */
function endWithAlert(socket: Socket, { status }: PeerProblem, limitMs: number): void {
  socket.setTimeout(limitMs, () => socket.destroy());
  socket.once('end', () => socket.destroy());
  socket.end(fatalAlert(status === 401 || status === 403 ? accessDenied : internalError));
  // Closed with something unread, it would be a reset that overtakes the alert.
  socket.resume();
}

function answer(
  { headers, method }: IncomingMessage,
  response: ServerResponse,
  problem: PeerProblem,
  language: Language,
): void {
  const { status, title, code, help, flowId, detail } = problem;
  const more = { ...(flowId === undefined ? {} : { flowId }), ...(detail === undefined ? {} : { detail }) };
  const known = Object.hasOwn(refusals, code) ? buildProblem(code as RefusalCode, language, more) : undefined;
  const isPage = known !== undefined && wantsPage(headers.accept);
  // One of a later gateway in the words that it came with.
  const body = isPage
    ? renderProblemPage(known, language)
    : `${JSON.stringify(known ?? { status, title, code, help, detail, flow_id: flowId })}\n`;
  response.writeHead(status < 400 ? 502 : status, {
    ...ownHeaders,
    'content-type': isPage ? 'text/html; charset=utf-8' : 'application/problem+json',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  });
  response.end(method === 'HEAD' ? undefined : body);
}
