import { constants } from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { postureSignal } from '../../src/contract/posture-signal.ts';
import type { Clock } from '../clock.ts';
import type { Credentials } from '../state/credentials.ts';
import type { BulkLine } from './bulk-line.ts';
import { createBulkLines } from './bulk-lines.ts';
import type { BulkLines } from './bulk-lines.ts';
import type { GatewayTarget } from './gateways.ts';
import { pingWithin } from './ping.ts';
import { sendProbe } from './probe.ts';
import type { ProbeAnswer } from './probe.ts';
import { watchForSilence } from './silence-watch.ts';

/** Room for what is on its way on a fast, distant line: the default of 64 KiB halves a tunnel's throughput. */
export const windowBytes = 4 * 1024 * 1024;

/** Streams that are kept free for the probes that bring tokens. */
const reservedStreams = 8;

export interface StreamOptions {
  readonly endStream?: boolean;
  readonly waitForTrailers?: boolean;
}

/** One authenticated HTTP/2 connection to a gateway. Streams on it are flows. */
export interface GatewaySession extends GatewayTarget {
  /** The certificate that it was made with; tokens on it must be bound to the same. */
  readonly credentials: Credentials;
  /** Epoch milliseconds. */
  readonly since: number;
  /** The laptop's end of the connection; without that address it is of no use any more. */
  readonly localAddress: string | undefined;
  /** False once it takes no new streams. */
  isUsable(): boolean;
  /** Streams that are open. */
  openStreams(): number;
  /** Those of them that are no probes, and the tunnels on lines of their own. */
  openFlows(): number;
  /** Whether the gateway takes one more stream on it at once. */
  hasRoom(): boolean;
  /** Keeps room for a flow that is about to be opened, for the rest of this turn. */
  reserve(): void;
  /** Flows wait on it and nothing comes, not even the answer to a PING. */
  isSilent(): boolean;
  isBusyWithBulk(): boolean;
  /** Milliseconds of the last PING; undefined before the first. */
  roundTripMs(): number | undefined;
  open(headers: OutgoingHttpHeaders, options?: StreamOptions): ClientHttp2Stream;
  /** Connections beside it for tunnels that carry much; they live, are given tokens and die with it. */
  readonly lines: Pick<BulkLines, 'take' | 'prepare'>;
  /** Asks the gateway whether it would carry flows of this session, and gives it a token where there is one. */
  probe(token?: string): Promise<ProbeAnswer>;
  /** Whether the other end answers within the limit. */
  answers(limitMs: number): Promise<boolean>;
  /** The same, and a session that does not answer is dead, and ended. */
  checkAlive(limitMs: number): Promise<boolean>;
  /**
   * Calls back when another session turned out to work while this one says nothing: what may be repeated, should be.
   * Returns what takes the wish back.
   */
  onDisplaced(listener: () => void): () => void;
  displace(): void;
  /** Resolves when the gateway asked to open no more streams, or when it ended. */
  readonly leaving: Promise<void>;
  /** Resolves when the connection is gone, with the reason where there is one. */
  readonly ended: Promise<Error | undefined>;
  /** For no new flows from now on; ends after the last open one, and can be given tokens until then. */
  drain(): void;
  end(): void;
}

export interface SessionOptions {
  readonly target: GatewayTarget;
  readonly credentials: Credentials;
  readonly clock: Clock;
  /** @throws where no line to this gateway can be had. */
  readonly openLine: (token: string, signal: AbortSignal) => Promise<BulkLine>;
  /** Flows wait on this session, and nothing comes. */
  readonly onSilence?: (session: GatewaySession) => void;
  /** A long transfer has begun on it. */
  readonly onBulk?: (session: GatewaySession) => void;
  /** The gateway asks for the laptop's posture. */
  readonly onPostureAsked?: () => void;
}

/** Takes over an HTTP/2 connection to the gateway that `target` names. */
export function wrapSession(
  session: ClientHttp2Session,
  socket: TLSSocket,
  { target, credentials, clock, openLine, onSilence, onBulk, onPostureAsked }: SessionOptions,
): GatewaySession {
  let open = 0;
  let reserved = 0;
  let flows = 0;
  let leavingSeen = false;
  let draining = false;
  let failure: Error | undefined;
  let roundTripMs: number | undefined;
  const leaving = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<Error | undefined>();
  const displaced = new Set<() => void>();
  const leave = (): void => {
    leavingSeen = true;
    leaving.resolve();
  };
  session.once('connect', () => session.setLocalWindowSize(windowBytes));
  session.on('error', (error) => (failure = error));
  session.on('ping', (payload: Buffer) => {
    if (payload.equals(postureSignal)) onPostureAsked?.();
  });
  session.once('goaway', leave);
  session.once('close', () => {
    leave();
    ended.resolve(failure);
  });

  // Not session.close(): that would refuse the probes that bring the last flows their fresh tokens.
  const endWhenDrained = (): void => {
    if (draining && open === 0 && lines.inUse() === 0) session.close();
  };
  const lines = createBulkLines({ clock, open: openLine, onEnd: endWhenDrained });
  const openStream = (headers: OutgoingHttpHeaders, streamOptions: StreamOptions = {}): ClientHttp2Stream => {
    const stream = session.request(headers, { ...streamOptions });
    open += 1;
    watch.flowOpened();
    stream.once('close', () => {
      open -= 1;
      endWhenDrained();
    });
    return stream;
  };
  const destroy = (...reason: Parameters<ClientHttp2Session['destroy']>): void => {
    lines.end();
    session.destroy(...reason);
  };
  const answers = async (limitMs: number): Promise<boolean> => {
    const ms = await pingWithin(session, clock, limitMs);
    if (ms !== undefined) roundTripMs = ms;
    return ms !== undefined;
  };
  const watch = watchForSilence({
    clock,
    ended: ended.promise,
    bytes: () => ({ received: socket.bytesRead, sent: socket.bytesWritten }),
    openFlows: () => open + lines.inUse(),
    answers,
    onSilence: () => onSilence?.(wrapped),
    onBulk: () => onBulk?.(wrapped),
  });
  const wrapped: GatewaySession = {
    ...target,
    credentials,
    since: clock.now(),
    localAddress: socket.localAddress,
    isUsable: () => !leavingSeen && !session.closed && !session.destroyed,
    openStreams: () => open,
    openFlows: () => flows + lines.inUse(),
    hasRoom: () => {
      const most = session.remoteSettings.maxConcurrentStreams ?? Infinity;
      return open + reserved < Math.max(1, most - reservedStreams);
    },
    reserve: () => {
      reserved += 1;
      setImmediate(() => (reserved -= 1));
    },
    isSilent: () => watch.isSilent(),
    isBusyWithBulk: () => watch.isBusyWithBulk(),
    roundTripMs: () => roundTripMs,
    open: (headers, streamOptions) => {
      const stream = openStream(headers, streamOptions);
      flows += 1;
      stream.once('close', () => (flows -= 1));
      return stream;
    },
    lines: {
      prepare: () => lines.prepare(),
      take: () => {
        const line = lines.take();
        if (line !== undefined) watch.flowOpened();
        return line;
      },
    },
    probe: async (token) => {
      const answer = await sendProbe(openStream, target.name, token);
      if (answer.ok && token !== undefined) lines.show(token);
      return answer;
    },
    answers,
    checkAlive: async (limitMs) => {
      const isAlive = await answers(limitMs);
      if (!isAlive) destroy(new Error('no answer to a PING'));
      return isAlive;
    },
    onDisplaced: (listener) => {
      displaced.add(listener);
      return () => displaced.delete(listener);
    },
    displace: () => {
      for (const listener of displaced) listener();
    },
    leaving: leaving.promise,
    ended: ended.promise,
    drain: () => {
      draining = true;
      lines.drain();
      leave();
      endWhenDrained();
    },
    end: () => destroy(undefined, constants.NGHTTP2_NO_ERROR),
  };
  return wrapped;
}
