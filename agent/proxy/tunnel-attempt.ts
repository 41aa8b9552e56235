import type { ClientHttp2Stream, OutgoingHttpHeaders } from 'node:http2';
import type { Socket } from 'node:net';
import type { BulkLine } from '../session/bulk-line.ts';
import type { GatewaySession } from '../session/gateway-session.ts';
import { formatHostPort } from '../session/host-port.ts';
import type { HostPort } from '../session/host-port.ts';
import { awaitAnswer, breakOff, NoAnswer, pipeWhole, readBody } from './flow-stream.ts';
import { fieldLines } from './headers.ts';

const maxProblemBytes = 65_536;

export type TunnelFields = readonly (readonly [name: string, value: string])[];

/** The gateway said no: its own answer, to be passed on. */
export interface GatewayAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: Buffer;
}

/** A tunnel that the gateway was asked for. */
export interface TunnelAttempt<Tunnel> {
  /** @throws NoAnswer, or another error where it got none. */
  readonly answered: Promise<{ readonly tunnel: Tunnel; readonly fields: TunnelFields } | GatewayAnswer>;
  breakOff(): void;
  /** That it got no answer says nothing of the session beside it. */
  readonly isWorthAnother: boolean;
  /** Whether this answer may be for want of a way of asking, and another way is to be tried. */
  readonly isUnknown?: (status: number) => boolean;
}

/** The pseudo-header fields that ask for a tunnel on a session. */
type Ask = (session: Pick<GatewaySession, 'name'>) => OutgoingHttpHeaders;

export const forBytes =
  (target: HostPort): Ask =>
  () => ({ ':method': 'CONNECT', ':authority': formatHostPort(target) });

/** RFC 9298, section 3.4: an extended CONNECT to the gateway itself, which has the target in its path. */
export const forDatagrams =
  ({ host, port }: HostPort): Ask =>
  ({ name }) => ({
    ':method': 'CONNECT',
    ':protocol': 'connect-udp',
    ':scheme': 'https',
    ':authority': name,
    ':path': `/.well-known/masque/udp/${host}/${port}/`,
    'capsule-protocol': '?1',
  });

const contentTypeOf = (fields: TunnelFields): string =>
  fields.find(([name]) => name === 'content-type')?.[1] ?? 'text/plain';

/** On a stream of the session. @throws where it took its last one a moment ago. */
export function attemptStream<Tunnel>(
  ask: Ask,
  session: GatewaySession,
  limitMs: number,
  open: (stream: ClientHttp2Stream) => Tunnel,
): TunnelAttempt<Tunnel> {
  const stream = session.open(ask(session));
  const answered = awaitAnswer(stream, limitMs).then(async ({ status, rawHeaders }) => {
    const fields = [...fieldLines(rawHeaders)];
    if (status === 200) return { tunnel: open(stream), fields };
    const body = await readBody(stream, maxProblemBytes);
    breakOff(stream);
    return { status, contentType: contentTypeOf(fields), body };
  });
  return { answered, breakOff: () => breakOff(stream), isWorthAnother: false };
}

/** On a line of its own. */
export function attemptLine<Tunnel>(
  target: HostPort,
  line: BulkLine,
  limitMs: number,
  open: (line: BulkLine) => Tunnel,
): TunnelAttempt<Tunnel> {
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    line.end();
  }, limitMs);
  const ask = async (): Promise<Awaited<TunnelAttempt<Tunnel>['answered']>> => {
    try {
      const { status, fields, body } = await line.ask(target);
      return status === 101
        ? { tunnel: open(line), fields }
        : { status, contentType: contentTypeOf(fields), body };
    } catch (error) {
      throw isLate ? new NoAnswer('no answer in time', true) : error;
    } finally {
      clearTimeout(timer);
    }
  };
  return { answered: ask(), breakOff: () => line.end(), isWorthAnother: true };
}

/**
 * Joins a socket and a stream under back-pressure. Each side's end is passed on by itself, so half-closed protocols
 * work; what breaks off on one side breaks off on the other, and is not made to look like an end.
 */
export function joinTunnel(socket: Socket, stream: ClientHttp2Stream, head: Buffer): void {
  socket.setTimeout(0);
  socket.setNoDelay(true);
  if (socket.destroyed) {
    breakOff(stream);
    return;
  }
  pipeWhole(stream, socket, () => {
    // A reset, not an end, is what the program on the laptop must see.
    socket.resetAndDestroy();
  });
  socket.once('close', () => {
    // Both ends were passed on; what is left in the stream's buffer may still go out.
    if (socket.readableEnded && socket.writableFinished) return;
    breakOff(stream);
  });
  if (head.length > 0) stream.write(head);
  socket.pipe(stream);
}
