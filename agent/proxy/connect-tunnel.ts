import type { ClientHttp2Stream, OutgoingHttpHeaders } from 'node:http2';
import type { Duplex } from 'node:stream';
import { Socket } from 'node:net';
import { parseProblem, parseProblemText } from '../control/problem.ts';
import type { GatewaySession } from '../session/gateway-session.ts';
import { formatHostPort, parseHostPort } from '../session/host-port.ts';
import type { HostPort } from '../session/host-port.ts';
import { findApp } from './find-app.ts';
import { awaitAnswer, breakOff, isSessionLost, NoAnswer, pipeWhole, readBody } from './flow-stream.ts';
import { fieldLines } from './headers.ts';
import { answerProblemOn, endWithAnswer } from './problem-answer.ts';
import { whyNoSession } from './proxy-context.ts';
import type { ProxyContext } from './proxy-context.ts';
import { buildProblem, refusals } from '../../src/contract/refusals.ts';
import type { RefusalCode } from '../../src/contract/refusals.ts';
import { challengeField, isChallengeCode } from '../../src/contract/tunnel-challenge.ts';

const maxProblemBytes = 65_536;
/** How often it is tried on another session, or with another token. */
const mostAttempts = 3;

/** The gateway said no: its own answer, to be passed on. */
interface GatewayAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: Buffer;
}

export type RefusedTunnel =
  | { readonly refusal: RefusalCode; readonly detail?: string }
  | { readonly answer: GatewayAnswer };

export type OpenedTunnel = { readonly stream: ClientHttp2Stream } | RefusedTunnel;

/** The pseudo-header fields that ask for a tunnel on a session. */
type Ask = (session: Pick<GatewaySession, 'name'>) => OutgoingHttpHeaders;

const forBytes =
  (target: HostPort): Ask =>
  () => ({ ':method': 'CONNECT', ':authority': formatHostPort(target) });

/** RFC 9298, section 3.4: an extended CONNECT to the gateway itself, which has the target in its path. */
const forDatagrams =
  ({ host, port }: HostPort): Ask =>
  ({ name }) => ({
    ':method': 'CONNECT',
    ':protocol': 'connect-udp',
    ':scheme': 'https',
    ':authority': name,
    ':path': `/.well-known/masque/udp/${host}/${port}/`,
    'capsule-protocol': '?1',
  });

/**
 * Opens a CONNECT stream to an application. Nothing of the client's has been sent before the gateway says yes, so a
 * session that dies or falls silent meanwhile and a token that ended are each worth one more try.
 */
async function openTunnel(context: ProxyContext, host: string, ask: Ask): Promise<OpenedTunnel> {
  const { carrier, limits } = context;
  let last: OpenedTunnel = { refusal: 'agent-not-connected' };
  for (let attempt = 0; attempt < mostAttempts; attempt += 1) {
    const session = await carrier.session(limits.sessionWaitMs);
    if (session === undefined) return { refusal: whyNoSession(carrier) };
    let stream: ClientHttp2Stream;
    try {
      stream = session.open(ask(session));
    } catch {
      // It took its last stream a moment ago.
      continue;
    }
    let isDisplaced = false;
    const stay = session.onDisplaced(() => {
      isDisplaced = true;
      breakOff(stream);
    });
    try {
      const { status, rawHeaders } = await awaitAnswer(stream, limits.tunnelTimeoutMs);
      if (status === 200) {
        noteChallenge(context, host, rawHeaders);
        return { stream };
      }
      const body = await readBody(stream, maxProblemBytes);
      breakOff(stream);
      const [, contentType = 'text/plain'] =
        [...fieldLines(rawHeaders)].find(([name]) => name === 'content-type') ?? [];
      last = { answer: { status, contentType, body } };
      if (status !== 401 || (await carrier.recover(session)) === 'not-mended') break;
    } catch (error) {
      const isTimeout = error instanceof NoAnswer && error.timedOut;
      last = isTimeout
        ? { refusal: 'upstream-timeout' }
        : { refusal: 'upstream-reset', detail: 'the gateway ended the tunnel before it was open' };
      if (isTimeout || !(isSessionLost(session) || isDisplaced)) break;
    } finally {
      stay();
    }
  }
  if ('answer' in last) {
    const { status, body } = last.answer;
    const problem = parseProblemText(status, body.toString('utf8'));
    carrier.noteRefusal({ ...problem, host });
    // Published elsewhere meanwhile, or not at all: the next one should know.
    if (status === 404) void carrier.config.lookAgain();
  }
  return last;
}

/** Requests in this tunnel will be told that a better sign-in is needed, out of our sight: it is asked for meanwhile. */
function noteChallenge({ carrier }: ProxyContext, host: string, rawHeaders: readonly string[]): void {
  const [, code] = [...fieldLines(rawHeaders)].find(([name]) => name === challengeField) ?? [];
  if (isChallengeCode(code))
    carrier.noteRefusal({ ...parseProblem(refusals[code].status, buildProblem(code)), host });
}

/**
 * The same, for a host that a program named, or whose address it was told by our resolver: only hosts of applications
 * get as far as the gateway.
 */
export async function openAppTunnel(context: ProxyContext, target: HostPort): Promise<OpenedTunnel> {
  const host = context.hostAt(target.host) ?? target.host;
  const app = await findApp(context, host);
  return app === undefined
    ? { refusal: 'application-unknown', detail: target.host }
    : openTunnel(context, host, forBytes({ ...target, host }));
}

/** A stream of datagram capsules to a UDP application that is known. */
export const openDatagramTunnel = (context: ProxyContext, target: HostPort): Promise<OpenedTunnel> =>
  openTunnel(context, target.host, forDatagrams(target));

/** Answers `CONNECT host:port` of a program on the laptop. */
export async function handleConnect(
  context: ProxyContext,
  requestTarget: string,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  const { language } = context;
  socket.on('error', () => socket.destroy());
  const target = parseHostPort(requestTarget);
  if (target === undefined) return answerProblemOn(socket, { code: 'bad-request', language });
  const opened = await openAppTunnel(context, target);
  if ('refusal' in opened) {
    const { refusal: code, detail } = opened;
    return answerProblemOn(socket, { code, language, ...(detail === undefined ? {} : { detail }) });
  }
  if ('answer' in opened) {
    const { status, contentType, body } = opened.answer;
    // A success other than 200 opens no tunnel, and the client must not think so (RFC 9110, section 9.3.6).
    return endWithAnswer(socket, status < 300 ? 502 : status, contentType, body);
  }
  socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
  joinTunnel(socket, opened.stream, head);
}

/**
 * Joins a socket and a stream under back-pressure. Each side's end is passed on by itself, so half-closed protocols
 * work; what breaks off on one side breaks off on the other, and is not made to look like an end.
 */
export function joinTunnel(socket: Duplex, stream: ClientHttp2Stream, head: Buffer): void {
  if (socket instanceof Socket) {
    socket.setTimeout(0);
    socket.setNoDelay(true);
  }
  if (socket.destroyed) {
    breakOff(stream);
    return;
  }
  pipeWhole(stream, socket, () => {
    // A reset, not an end, is what the program on the laptop must see.
    if (socket instanceof Socket) socket.resetAndDestroy();
    else socket.destroy();
  });
  socket.once('close', () => {
    // Both ends were passed on; what is left in the stream's buffer may still go out.
    if (socket.readableEnded && socket.writableFinished) return;
    breakOff(stream);
  });
  if (head.length > 0) stream.write(head);
  socket.pipe(stream);
}
