import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { pagePolicy } from '../../src/contract/page-style.ts';
import { renderProblemPage, wantsPage } from '../../src/contract/problem-page.ts';
import { buildProblem } from '../../src/contract/refusals.ts';
import type { Problem, RefusalCode } from '../../src/contract/refusals.ts';
import type { Language } from '../language.ts';

/** Headers of every answer that the agent itself writes: never kept, never framed, never a script. */
export const ownHeaders = {
  'cache-control': 'no-store',
  'content-security-policy': pagePolicy,
  'cross-origin-resource-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
} as const;

interface Refused {
  readonly code: RefusalCode;
  readonly language: Language;
  readonly detail?: string;
}

const problemOf = ({ code, language, detail }: Refused): Problem =>
  buildProblem(code, language, detail === undefined ? {} : { detail });

/** Answers a request with a refusal of the agent's own; where an answer has begun, breaks it off instead. */
export function answerProblem(response: ServerResponse, accept: string | undefined, refused: Refused): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const problem = problemOf(refused);
  const isPage = wantsPage(accept);
  const body = isPage ? renderProblemPage(problem, refused.language) : `${JSON.stringify(problem)}\n`;
  response.writeHead(problem.status, {
    ...ownHeaders,
    'content-type': isPage ? 'text/html; charset=utf-8' : 'application/problem+json',
    'content-length': Buffer.byteLength(body),
    // What is left of the request's body is of no interest to anyone.
    connection: 'close',
  });
  response.end(body);
}

/** The same on a raw socket, for CONNECT and upgrades. */
export function answerProblemOn(socket: Duplex, refused: Refused): void {
  const problem = problemOf(refused);
  endWithAnswer(socket, problem.status, 'application/problem+json', `${JSON.stringify(problem)}\n`);
}

/** A whole HTTP/1.1 answer, after which the connection ends. */
export function endWithAnswer(
  socket: Duplex,
  status: number,
  contentType: string,
  body: string | Buffer,
): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const head = [
    // RFC 9112, section 4: the reason phrase may be empty, the space before it not.
    `HTTP/1.1 ${status} `,
    `content-type: ${contentType}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'cache-control: no-store',
    'connection: close',
  ];
  socket.write(`${head.join('\r\n')}\r\n\r\n`);
  socket.end(body);
  // A client that goes on sending would keep the socket open for ever.
  socket.resume();
}
