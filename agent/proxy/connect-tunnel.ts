import type { ClientHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { parseProblem, parseProblemText } from '../control/problem.ts';
import type { GatewaySession } from '../session/gateway-session.ts';
import { parseHostPort } from '../session/host-port.ts';
import type { HostPort } from '../session/host-port.ts';
import { findApp } from './find-app.ts';
import { noteRefused } from './gateway-refusal.ts';
import { isSessionLost, NoAnswer } from './flow-stream.ts';
import { answerProblemOn, endWithAnswer } from './problem-answer.ts';
import { whyNoSession } from './proxy-context.ts';
import type { ProxyContext } from './proxy-context.ts';
import { attemptLine, attemptStream, forBytes, forDatagrams, joinTunnel } from './tunnel-attempt.ts';
import type { GatewayAnswer, TunnelAttempt, TunnelFields } from './tunnel-attempt.ts';
import { buildProblem, refusals } from '../../src/contract/refusals.ts';
import type { RefusalCode } from '../../src/contract/refusals.ts';
import { challengeField, isChallengeCode } from '../../src/contract/tunnel-challenge.ts';

/** How often it is tried on another session, or with another token. */
const mostAttempts = 3;

export type RefusedTunnel =
  | { readonly refusal: RefusalCode; readonly detail?: string }
  | { readonly answer: GatewayAnswer };

/**
 * Opens a tunnel to an application, as `choose` says for each session that it is tried on. Nothing of the client's has been
 * sent before the gateway says yes, so a session that dies or falls silent meanwhile and a token that ended are each worth
 * one more try.
 */
async function openTunnel<Tunnel>(
  context: ProxyContext,
  host: string,
  choose: (session: GatewaySession) => TunnelAttempt<Tunnel>,
): Promise<{ readonly tunnel: Tunnel } | RefusedTunnel> {
  const { carrier, limits } = context;
  let last: RefusedTunnel = { refusal: 'agent-not-connected' };
  for (let count = 0; count < mostAttempts; count += 1) {
    const session = await carrier.session(limits.sessionWaitMs);
    if (session === undefined) return { refusal: whyNoSession(carrier) };
    let attempt: TunnelAttempt<Tunnel>;
    try {
      attempt = choose(session);
    } catch {
      // It took its last stream a moment ago.
      continue;
    }
    let isDisplaced = false;
    const stay = session.onDisplaced(() => {
      isDisplaced = true;
      attempt.breakOff();
    });
    try {
      const answered = await attempt.answered;
      if ('tunnel' in answered) {
        noteChallenge(context, host, answered.fields);
        return answered;
      }
      last = { answer: answered };
      if (attempt.isUnknown?.(answered.status) === true) continue;
      if (answered.status !== 401 || (await carrier.recover(session)) === 'not-mended') break;
    } catch (error) {
      const isTimeout = error instanceof NoAnswer && error.timedOut;
      last = isTimeout
        ? { refusal: 'upstream-timeout' }
        : { refusal: 'upstream-reset', detail: 'the gateway ended the tunnel before it was open' };
      if (isTimeout || !(isSessionLost(session) || isDisplaced || attempt.isWorthAnother)) break;
    } finally {
      stay();
    }
  }
  if ('answer' in last) {
    const { status, body } = last.answer;
    noteRefused(context, host, parseProblemText(status, body.toString('utf8')));
  }
  return last;
}

/** Requests in this tunnel will be told that a better sign-in is needed, out of our sight: it is asked for meanwhile. */
function noteChallenge({ carrier }: ProxyContext, host: string, fields: TunnelFields): void {
  const [, code] = fields.find(([name]) => name === challengeField) ?? [];
  if (isChallengeCode(code))
    carrier.noteRefusal({ ...parseProblem(refusals[code].status, buildProblem(code)), host });
}

/** A tunnel that is open: joins it to the connection of a program, of which `head` was read already. */
export type Join = (program: Socket, head: Buffer) => void;
export type OpenedTunnel = { readonly tunnel: Join } | RefusedTunnel;

/**
 * The same, for a host that a program named, or whose address it was told by our resolver: only hosts of applications
 * get as far as the gateway. One that is known for long transfers gets a line of its own, where one is ready.
 */
export async function openAppTunnel(context: ProxyContext, asked: HostPort): Promise<OpenedTunnel> {
  const { bulk } = context;
  const { tunnelTimeoutMs } = context.limits;
  const host = context.hostAt(asked.host) ?? asked.host;
  const app = await findApp(context, host);
  if (app === undefined) return { refusal: 'application-unknown', detail: asked.host };
  const target = { host, port: asked.port };
  return openTunnel(context, host, (session): TunnelAttempt<Join> => {
    const line = bulk.has(target) ? session.lines.take() : undefined;
    if (line !== undefined)
      return {
        ...attemptLine(target, line, tunnelTimeoutMs, () => (program, head) => {
          line.join(program, head);
          bulk.watch(target, program);
        }),
        // A gateway of before there were lines says so of every application; the session knows better.
        isUnknown: (status) => {
          if (status === 404) bulk.forget(target);
          return status === 404;
        },
      };
    return attemptStream(forBytes(target), session, tunnelTimeoutMs, (stream) => (program, head) => {
      joinTunnel(program, stream, head);
      const { isBulk } = bulk.watch(target, program);
      const look = (): void => {
        if (!isBulk()) return;
        for (const side of [stream, program]) side.off('data', look);
        // The next transfer is not far, where there is one.
        session.lines.prepare();
      };
      for (const side of [stream, program]) side.on('data', look);
    });
  });
}

/** A stream of datagram capsules to a UDP application that is known. */
export const openDatagramTunnel = (
  context: ProxyContext,
  target: HostPort,
): Promise<{ readonly tunnel: ClientHttp2Stream } | RefusedTunnel> =>
  openTunnel(context, target.host, (session) =>
    attemptStream(forDatagrams(target), session, context.limits.tunnelTimeoutMs, (stream) => stream),
  );

/** Answers `CONNECT host:port` of a program on the laptop. */
export async function handleConnect(
  context: ProxyContext,
  requestTarget: string,
  socket: Socket,
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
  opened.tunnel(socket, head);
}
