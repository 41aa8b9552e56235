import type { IncomingMessage, ServerResponse } from 'node:http';
import { constants } from 'node:http2';
import type { ClientHttp2Stream, OutgoingHttpHeaders } from 'node:http2';
import type { RefusalCode } from '../../src/contract/refusals.ts';
import type { GatewaySession } from '../session/gateway-session.ts';
import { findApp } from './find-app.ts';
import { awaitAnswer, breakOff, isSessionLost, pipeWhole } from './flow-stream.ts';
import type { StreamAnswer } from './flow-stream.ts';
import { fieldLines, requestHeaders, responseHeaders, trailerFields } from './headers.ts';
import { gatewayRefusal, noteRefused } from './gateway-refusal.ts';
import { answerProblem } from './problem-answer.ts';
import { whyNoSession } from './proxy-context.ts';
import type { ProxyContext } from './proxy-context.ts';
import { bufferBody, isIdempotent } from './request-body.ts';
import { hostAgrees, parseAbsoluteTarget } from './request-target.ts';

/** Carries one absolute-form request as a stream of the gateway session, both bodies under back-pressure. */
export async function forwardRequest(
  context: ProxyContext,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { accept } = request.headers;
  const refuse = (code: RefusalCode, detail?: string): void =>
    answerProblem(response, accept, {
      code,
      language: context.language,
      ...(detail === undefined ? {} : { detail }),
    });
  const target = parseAbsoluteTarget(request.url ?? '');
  if (target === undefined) return refuse('bad-request', 'request target');
  const hosts = [...fieldLines(request.rawHeaders)].filter(([name]) => name === 'host');
  if (hosts.length > 1) return refuse('header-duplicate', 'host');
  // RFC 9112 lets a proxy overwrite Host; honest clients never differ, so one that does is refused instead.
  if (!hostAgrees(hosts[0]?.[1], target)) return refuse('authority-mismatch');
  if ((await findApp(context, target.host)) === undefined) return refuse('application-unknown', target.host);

  const headers: OutgoingHttpHeaders = {
    ...requestHeaders(request.rawHeaders),
    ':method': request.method ?? 'GET',
    ':scheme': 'http',
    ':authority': target.authority,
    ':path': target.path,
  };
  const opened = await openStream(context, request, headers, response);
  if ('refusal' in opened) return refuse(opened.refusal, opened.detail);
  const refused = gatewayRefusal(opened.answer);
  if (refused !== undefined) noteRefused(context, target.host, refused);
  answer(opened.stream, opened.answer, request, response);
}

type OpenedRequest =
  | { readonly stream: ClientHttp2Stream; readonly answer: StreamAnswer }
  | { readonly refusal: RefusalCode; readonly detail?: string };

/** How often a request is sent on another session, or with another token, before it is refused. */
const mostAttempts = 3;

async function openStream(
  context: ProxyContext,
  request: IncomingMessage,
  headers: OutgoingHttpHeaders,
  response: ServerResponse,
): Promise<OpenedRequest> {
  const { carrier, limits } = context;
  const body = await bufferBody(request);
  let isBegun = false;
  for (let attempt = 1; ; attempt += 1) {
    const session = await carrier.session(limits.sessionWaitMs);
    if (session === undefined) return { refusal: whyNoSession(carrier) };
    if (response.destroyed) return { refusal: 'upstream-reset' };
    let stream: ClientHttp2Stream;
    try {
      stream = startStream(session, request, headers, body);
    } catch (error) {
      // Node checks what HTTP/2 may not carry, such as a field that may stand only once.
      if (session.isUsable()) return { refusal: 'bad-request', detail: (error as Error).message };
      if (attempt < mostAttempts && body !== undefined) continue;
      return { refusal: 'agent-not-connected' };
    }
    const cancel = (): void => breakOff(stream);
    response.once('close', cancel);
    // Nothing of an answer has gone to the program, and what was sent can be sent again.
    const mayRepeat = (): boolean =>
      body !== undefined && attempt < mostAttempts && !response.destroyed && !isBegun;
    let isDisplaced = false;
    const stay = session.onDisplaced(() => {
      isDisplaced = mayRepeat() && isIdempotent(request);
      if (isDisplaced) cancel();
    });
    try {
      const received = await passInterim(stream, request, response, () => (isBegun = true));
      // Refused before anything came of it, whatever the method.
      if (mayRepeat() && isTokenRefusal(received) && (await carrier.recover(session)) === 'mended') {
        cancel();
        continue;
      }
      return { stream, answer: received };
    } catch {
      const isLost = isSessionLost(session) || isDisplaced;
      if (mayRepeat() && (isUnprocessed(stream) || (isLost && isIdempotent(request)))) continue;
      return isLost ? { refusal: 'request-interrupted' } : { refusal: 'upstream-reset', detail: noAnswer };
    } finally {
      stay();
      response.off('close', cancel);
    }
  }
}

const noAnswer = 'the gateway ended the request without an answer';

/** The gateway says that it has done nothing with it (RFC 9113, section 8.7). */
const isUnprocessed = (stream: ClientHttp2Stream): boolean =>
  stream.rstCode === constants.NGHTTP2_REFUSED_STREAM;

function startStream(
  session: GatewaySession,
  request: IncomingMessage,
  headers: OutgoingHttpHeaders,
  body: Buffer | undefined,
): ClientHttp2Stream {
  if (body?.length === 0) return session.open(headers, { endStream: true });
  if (body !== undefined) {
    const stream = session.open(headers, { endStream: false });
    stream.end(body);
    return stream;
  }
  // Only a chunked body can have trailers behind it.
  const waitForTrailers = request.headers['transfer-encoding'] !== undefined;
  const stream = session.open(headers, { endStream: false, waitForTrailers });
  if (waitForTrailers) {
    stream.once('wantTrailers', () => stream.sendTrailers(trailerFields(request.rawTrailers)));
  }
  // A client that broke off in its body must not look like one that finished.
  request.once('close', () => {
    if (!request.complete) breakOff(stream);
  });
  request.pipe(stream);
  return stream;
}

/** Passes on 1xx answers as they come, then returns the final one. */
function passInterim(
  stream: ClientHttp2Stream,
  request: IncomingMessage,
  response: ServerResponse,
  onPassed: () => void,
): Promise<StreamAnswer> {
  stream.on('headers', (headers, _flags, rawHeaders) => {
    const status = headers[':status'] ?? 0;
    if (response.headersSent || response.destroyed || request.httpVersion !== '1.1') return;
    onPassed();
    if (status === 100) return response.writeContinue();
    // 101 cannot be, in HTTP/2.
    if (status === 102) response.writeProcessing();
    else if (status === 103) response.writeInformation(103, Object.fromEntries(pairs(rawHeaders ?? [])));
  });
  return awaitAnswer(stream);
}

const pairs = (rawHeaders: readonly string[]): [string, string[]][] => {
  const values = new Map<string, string[]>();
  for (const [name, value] of fieldLines(responseHeaders(rawHeaders))) {
    values.set(name, [...(values.get(name) ?? []), value]);
  }
  return [...values];
};

function contentTypeOf(answer: StreamAnswer): string {
  const [, value = ''] = [...fieldLines(answer.rawHeaders)].find(([name]) => name === 'content-type') ?? [];
  return value;
}

/** As far as can be told: an application may send the same. The gateway is asked before anything comes of it. */
const isTokenRefusal = (answer: StreamAnswer): boolean =>
  answer.status === 401 && contentTypeOf(answer).startsWith('application/problem+json');

function answer(
  stream: ClientHttp2Stream,
  { status, rawHeaders }: StreamAnswer,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  response.sendDate = false;
  response.writeHead(status, responseHeaders(rawHeaders));
  // Before the first byte of a body that may be long in coming, such as an event stream.
  response.flushHeaders();
  stream.once('trailers', (_headers, _flags, rawTrailers) => {
    if (request.httpVersion === '1.1') response.addTrailers(trailerFields(rawTrailers ?? []));
  });
  response.once('close', () => {
    if (!response.writableFinished) breakOff(stream);
  });
  if (response.destroyed) return breakOff(stream);
  // An answer that broke off is broken off towards the client too.
  pipeWhole(stream, response, () => response.destroy());
}
