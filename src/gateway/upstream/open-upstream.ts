import type { Socket as DatagramSocket } from 'node:dgram';
import { isIP } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls, rootCertificates } from 'node:tls';
import { createSecureContext } from 'node:tls';
import { refuse } from '../../contract/refusals.ts';
import type { DatagramSign } from '../../contract/app-probe.ts';
import type { DialledUpstream } from '../../domain/flow.ts';
import type { NetworkName } from '../../domain/ids.ts';
import type { App } from '../../domain/resources.ts';
import { DialError } from '../../routing/dialer.ts';
import { createSocketInput } from '../../contract/socket-input.ts';
import type { SocketInput } from '../../contract/socket-input.ts';
import type { Dialer } from '../../routing/dialer.ts';
import { addressOf } from '../../routing/upstream.ts';
import type { Upstream } from '../../routing/upstream.ts';
import type { UpstreamChoice } from '../../routing/upstream-choice.ts';
import { createDatagramSigns } from './datagram-signs.ts';
import type { NoteSign } from './datagram-signs.ts';
import { refusalOfError, UpstreamError } from './upstream-failure.ts';

/** A connection to one upstream of one app, inside its network; over TLS where the upstream is https. */
export interface OpenedUpstream {
  readonly socket: Socket;
  /** Where what it brings goes, for one that was opened with it. */
  readonly input?: SocketInput;
  readonly upstream: Upstream;
  readonly dialled: DialledUpstream;
  /** As the app's resource writes it. */
  readonly text: string;
}

/** After this many upstreams of an app failed to be reached, the request has waited long enough. */
const maxAttempts = 3;

/** A datagram socket to one upstream of one app, inside its network. */
export interface OpenedDatagrams {
  readonly socket: DatagramSocket;
  readonly dialled: DialledUpstream;
  /** As the app's resource writes it. */
  readonly text: string;
  /** The last that was seen of this upstream. */
  readonly sign: DatagramSign | undefined;
  readonly note: NoteSign;
  /** Nobody is there after all: the next flow goes to another. */
  failed(): void;
}

export const textOf = ({ scheme, host, port }: Upstream): string =>
  `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;

export interface UpstreamOpener {
  /** Dials that upstream. @throws UpstreamError */
  open(app: App, upstream: Upstream): Promise<OpenedUpstream>;
  /** Dials the app's upstreams in their turn until one answers. @throws UpstreamError of the last. */
  openAny(app: App): Promise<OpenedUpstream>;
  /** The same for a tunnel, whose bytes go through an input unless they come over TLS. */
  openRaw(app: App): Promise<OpenedUpstream>;
  /** A socket to the first of the app's upstreams, in their turn, to which there is a way. @throws UpstreamError */
  openDatagrams(app: App): Promise<OpenedDatagrams>;
}

export function createUpstreamOpener(parts: {
  readonly dialer: Dialer;
  readonly choice: UpstreamChoice;
  readonly authoritiesPem: string | undefined;
  readonly timeoutMs: number;
  /** Epoch milliseconds. */
  readonly now: () => number;
}): UpstreamOpener {
  const { dialer, choice, authoritiesPem, timeoutMs, now } = parts;
  const signs = createDatagramSigns(now);
  // Made at first use: most gateways speak plain HTTP inside a private network.
  let trust: ReturnType<typeof createSecureContext> | undefined;
  const trusted = (): ReturnType<typeof createSecureContext> =>
    (trust ??= createSecureContext({
      ca: [...rootCertificates, ...(authoritiesPem === undefined ? [] : [authoritiesPem])],
      minVersion: 'TLSv1.2',
    }));

  const secure = (socket: Socket, app: App, { host }: Upstream): Promise<Socket> =>
    new Promise((resolve, reject) => {
      const secured = connectTls({
        socket,
        secureContext: trusted(),
        // A certificate bears a name: the upstream's own, or the app's where it is reached by address.
        servername: isIP(host) === 0 ? host : app.host,
        ALPNProtocols: ['http/1.1'],
      });
      const timer = setTimeout(
        () => secured.destroy(Object.assign(new Error('TLS handshake too slow'), { code: 'ETIMEDOUT' })),
        timeoutMs,
      );
      const finish = (): void => {
        clearTimeout(timer);
        secured.off('error', fail);
        secured.off('close', closed);
      };
      const fail = (error: Error): void => {
        finish();
        secured.on('error', () => undefined);
        socket.destroy();
        reject(error);
      };
      const closed = (): void => fail(Object.assign(new Error('closed'), { code: 'ECONNRESET' }));
      secured.once('error', fail);
      secured.once('close', closed);
      secured.once('secureConnect', () => {
        finish();
        resolve(secured);
      });
    });

  const open = async (app: App, upstream: Upstream, input?: SocketInput): Promise<OpenedUpstream> => {
    const { port } = upstream;
    const text = textOf(upstream);
    try {
      const { socket, address } = await dialer.dial(app.network, addressOf(upstream), {
        onread: input?.onread,
      });
      // Errors between here and the first use end in `close`, which every user of a connection looks at.
      socket.on('error', () => undefined);
      const ready = upstream.tls ? await secure(socket, app, upstream) : socket;
      choice.succeeded(app, upstream);
      return {
        socket: ready,
        ...(input === undefined ? {} : { input }),
        upstream,
        dialled: { network: app.network as NetworkName, address, port },
        text,
      };
    } catch (error) {
      throw failed(error, app, upstream);
    }
  };

  const openRaw = async (app: App, upstream: Upstream): Promise<OpenedUpstream> => {
    if (upstream.tls) return open(app, upstream);
    const opened = await open(
      app,
      upstream,
      createSocketInput(() => void opened.socket.resume()),
    );
    return opened;
  };

  const openDatagrams = async (app: App, upstream: Upstream): Promise<OpenedDatagrams> => {
    const note = signs.noteFor(upstream);
    try {
      const { socket, address } = await dialer.dialDatagrams(app.network, addressOf(upstream));
      // Until its flow is joined to it: what its peer says before that nobody asked for.
      socket.on('error', () => undefined);
      return {
        socket,
        dialled: { network: app.network as NetworkName, address, port: upstream.port },
        text: textOf(upstream),
        sign: signs.last(upstream),
        note,
        failed() {
          note('unreachable');
          choice.failed(app, upstream, now());
        },
      };
    } catch (error) {
      throw failed(error, app, upstream);
    }
  };

  const failed = (error: unknown, app: App, upstream: Upstream): UpstreamError => {
    // A connector that is down says nothing about the upstream behind it.
    if (!(error instanceof DialError) || error.failure !== 'connector-unavailable') {
      choice.failed(app, upstream, now());
    }
    return new UpstreamError(refusalOfError(error, textOf(upstream)));
  };

  const first = async <Opened>(
    app: App,
    openOne: (app: App, upstream: Upstream) => Promise<Opened>,
  ): Promise<Opened> => {
    let last: unknown = new UpstreamError(refuse('upstream-unreachable', 'the app has no upstream'));
    for (const upstream of choice.candidates(app, now()).slice(0, maxAttempts)) {
      try {
        return await openOne(app, upstream);
      } catch (error) {
        last = error;
      }
    }
    throw last;
  };

  return {
    open,
    openAny: (app) => first(app, (one, upstream) => open(one, upstream)),
    openRaw: (app) => first(app, openRaw),
    openDatagrams: (app) => first(app, openDatagrams),
  };
}
