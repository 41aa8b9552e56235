import { connect, constants } from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders } from 'node:http2';
import { connectVerified, UntrustedPeer } from '../control/verified-connection.ts';
import type { PeerProblem } from '../control/problem.ts';
import { parseProblemText } from '../control/problem.ts';
import type { Credentials } from '../state/credentials.ts';
import { parseHostPort } from './host-port.ts';

/** Room for what is on its way on a fast, distant line: the default of 64 KiB halves a tunnel's throughput. */
export const windowBytes = 4 * 1024 * 1024;

const statusPath = '/.well-known/postern/status';
const probeTimeoutMs = 10_000;
const maxProbeBytes = 65_536;

/** What the gateway says of this session. */
export type ProbeAnswer = { readonly ok: true } | { readonly ok: false; readonly problem: PeerProblem };

export interface StreamOptions {
  readonly endStream?: boolean;
  readonly waitForTrailers?: boolean;
}

/** One authenticated HTTP/2 connection to a gateway. Streams on it are flows. */
export interface GatewaySession {
  readonly name: string;
  /** `host:port` that it was reached at. */
  readonly address: string;
  /** The certificate that it was made with; tokens on it must be bound to the same. */
  readonly credentials: Credentials;
  /** Epoch milliseconds. */
  readonly since: number;
  /** False once it takes no new streams. */
  isUsable(): boolean;
  /** Streams that are open. */
  openStreams(): number;
  open(headers: OutgoingHttpHeaders, options?: StreamOptions): ClientHttp2Stream;
  /** Asks the gateway whether it would carry flows of this session, and gives it a token where there is one. */
  probe(token?: string): Promise<ProbeAnswer>;
  /** True when the other end answered in time; otherwise the session is dead, and ended. */
  checkAlive(timeoutMs: number): Promise<boolean>;
  /** Resolves when the gateway asked to open no more streams, or when it ended. */
  readonly leaving: Promise<void>;
  /** Resolves when the connection is gone, with the reason where there is one. */
  readonly ended: Promise<Error | undefined>;
  /** For no new flows from now on; ends after the last open one, and can be given tokens until then. */
  drain(): void;
  end(): void;
}

export interface SessionOptions {
  readonly name: string;
  /** `host:port`, tried in order. */
  readonly addresses: readonly string[];
  readonly credentials: Credentials;
  readonly timeoutMs: number;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly signal?: AbortSignal;
}

/**
 * Opens a session to the first address that proves to be the gateway. An address where someone else answers is passed
 * over like one where nobody does.
 * @throws the error of the last address; UntrustedPeer in preference to others, since it is worth a look.
 */
export async function openGatewaySession(options: SessionOptions): Promise<GatewaySession> {
  let failure: Error = new Error('no address of a gateway is known');
  for (const address of options.addresses) {
    const target = parseHostPort(address);
    if (target === undefined || options.signal?.aborted === true) continue;
    try {
      const socket = await connectVerified(
        { ...target, serverName: options.name },
        {
          authorityPem: options.credentials.authorityPem,
          client: options.credentials,
          protocol: 'h2',
          timeoutMs: options.timeoutMs,
          ...(options.signal === undefined ? {} : { signal: options.signal }),
        },
      );
      socket.setNoDelay(true);
      const session = connect(`https://${options.name}`, {
        createConnection: () => socket,
        settings: { initialWindowSize: windowBytes, enablePush: false },
        // Mebibytes; only bounds a peer's headers and our own unsent data, streams wait for their readers.
        maxSessionMemory: 64,
      });
      return wrapSession(session, address, options);
    } catch (error) {
      if (!(failure instanceof UntrustedPeer)) failure = error as Error;
    }
  }
  throw failure;
}

function wrapSession(session: ClientHttp2Session, address: string, options: SessionOptions): GatewaySession {
  let open = 0;
  let leavingSeen = false;
  let draining = false;
  let failure: Error | undefined;
  const leaving = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<Error | undefined>();
  const leave = (): void => {
    leavingSeen = true;
    leaving.resolve();
  };
  session.once('connect', () => session.setLocalWindowSize(windowBytes));
  session.on('error', (error) => (failure = error));
  session.once('goaway', leave);
  session.once('close', () => {
    leave();
    ended.resolve(failure);
  });

  // Not session.close(): that would refuse the probes that bring the last flows their fresh tokens.
  const endWhenDrained = (): void => {
    if (draining && open === 0) session.close();
  };
  const openStream = (headers: OutgoingHttpHeaders, streamOptions: StreamOptions = {}): ClientHttp2Stream => {
    const stream = session.request(headers, { ...streamOptions });
    open += 1;
    stream.once('close', () => {
      open -= 1;
      endWhenDrained();
    });
    return stream;
  };

  return {
    name: options.name,
    address,
    credentials: options.credentials,
    since: options.now(),
    isUsable: () => !leavingSeen && !session.closed && !session.destroyed,
    openStreams: () => open,
    open: openStream,
    probe: (token) => probe(openStream, options.name, token),
    checkAlive: (timeoutMs) => checkAlive(session, timeoutMs),
    leaving: leaving.promise,
    ended: ended.promise,
    drain: () => {
      draining = true;
      leave();
      endWhenDrained();
    },
    end: () => session.destroy(undefined, constants.NGHTTP2_NO_ERROR),
  };
}

function probe(open: GatewaySession['open'], name: string, token: string | undefined): Promise<ProbeAnswer> {
  return new Promise((resolve, reject) => {
    const stream = open({
      ':method': 'GET',
      ':scheme': 'https',
      ':authority': name,
      ':path': statusPath,
      accept: 'application/json, application/problem+json',
      ...(token === undefined ? {} : { 'proxy-authorization': `Bearer ${token}` }),
    });
    const chunks: Buffer[] = [];
    let status = 0;
    let length = 0;
    const timer = setTimeout(
      () => stream.destroy(new Error('the gateway did not answer in time')),
      probeTimeoutMs,
    );
    stream.once('response', (headers) => (status = headers[':status'] ?? 0));
    stream.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= maxProbeBytes) chunks.push(chunk);
      else stream.destroy(new Error('answer too large'));
    });
    stream.once('error', reject);
    stream.once('close', () => {
      clearTimeout(timer);
      reject(new Error('the gateway closed the connection'));
    });
    stream.once('end', () => {
      if (status === 0) return;
      const text = Buffer.concat(chunks).toString('utf8');
      resolve(status === 200 ? { ok: true } : { ok: false, problem: parseProblemText(status, text) });
    });
  });
}

/** A path that swallows packets looks open for a quarter of an hour; an unanswered PING tells at once. */
function checkAlive(session: ClientHttp2Session, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    if (session.destroyed) return resolve(false);
    const finish = (alive: boolean): void => {
      clearTimeout(timer);
      session.off('close', onClose);
      resolve(alive);
    };
    const onClose = (): void => finish(false);
    const timer = setTimeout(() => {
      session.destroy(new Error('no answer to a PING'));
      finish(false);
    }, timeoutMs);
    session.once('close', onClose);
    const sent = session.ping((error) => {
      if (error === null) finish(true);
    });
    if (!sent) finish(true);
  });
}
