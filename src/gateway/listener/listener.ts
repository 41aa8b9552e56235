import { X509Certificate } from 'node:crypto';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createServer as createTlsServer, TLSSocket } from 'node:tls';
import type { SecureContext, SecureContextOptions } from 'node:tls';
import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import type { Settings } from '../../contract/settings.ts';
import type { ConnectionFacts } from '../../domain/flow.ts';
import type { FlowId } from '../../domain/ids.ts';
import { ja4Of } from '../../inspection/protocols/ja4.ts';
import { buildConnectionFacts, describeCertificate, endsOf } from './connection-facts.ts';
import type { ConnectionStart } from './connection-facts.ts';
import { refusalOfHandshake, ServerNameUnknown } from './handshake-refusal.ts';
import { peekClientHello } from './peek-client-hello.ts';

/** `fatal, unrecognized_name` (RFC 6066, section 3) as it stands before any key is agreed on. */
const unrecognizedName = Buffer.from([21, 3, 3, 0, 2, 2, 112]);

export interface Listener {
  /** @returns the port. */
  listen(): Promise<number>;
  readonly port: number;
  readonly connections: number;
  /** New handshakes get this certificate; connections stay. */
  setCertificate(certificatePem: string, keyPem: string): void;
  /** Accepts no more. */
  stop(): void;
  /** Ends every connection; resolves when each has told those that it carried something for. */
  destroyConnections(): Promise<void>;
}

export interface ListenerParts {
  readonly settings: Settings;
  readonly contextOptions: SecureContextOptions;
  readonly certificate: { readonly certificatePem: string; readonly keyPem: string };
  readonly reusePort: boolean;
  readonly newFlowId: () => FlowId;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** The context for a lower-case name; undefined for the gateway's own certificate, null for nobody's name. */
  readonly contextFor: (name: string) => Promise<SecureContext> | undefined | null;
  readonly onSecure: (socket: TLSSocket, start: ConnectionStart) => void;
  readonly onRefused: (connection: ConnectionFacts, refusal: Refusal) => void;
}

/** Accepts TCP connections, bounds what each address may open, and completes handshakes that prove a device. */
export function createListener(parts: ListenerParts): Listener {
  const { settings, newFlowId, now, onRefused } = parts;
  const { limits, gateway } = settings;
  const perAddress = new Map<string, number>();
  const sockets = new Set<Socket>();
  /** Presented certificates of handshakes that are about to be refused for them. */
  const presented = new WeakMap<TLSSocket, X509Certificate>();
  const starts = new WeakMap<Socket, ConnectionStart>();
  let port = gateway.port;

  const startOf = (socket: TLSSocket): ConnectionStart => {
    const raw = rawOf(socket);
    const known = raw === undefined ? undefined : starts.get(raw);
    return known ?? { id: newFlowId(), startedAt: now(), ...endsOf(socket) };
  };

  function chooseContext(
    this: unknown,
    name: string,
    callback: (error: Error | null, context?: SecureContext) => void,
  ): void {
    // A throw in a TLS callback ends the process (Node CVE-2026-21637).
    try {
      const socket = this instanceof TLSSocket ? this : undefined;
      if (socket !== undefined) witnessCertificate(socket);
      const chosen = parts.contextFor(name.toLowerCase());
      if (chosen === undefined) return callback(null, undefined);
      if (chosen === null) {
        // Node would close without a word.
        if (socket !== undefined) rawOf(socket)?.write(unrecognizedName);
        return callback(new ServerNameUnknown(name.slice(0, 255)));
      }
      chosen.then(
        (context) => callback(null, context),
        (error: Error) => callback(error),
      );
    } catch (error) {
      callback(error as Error);
    }
  }

  /** A certificate that does not verify is gone by the time that Node says so; its facts belong on record. */
  const witnessCertificate = (socket: TLSSocket): void => {
    socket.prependOnceListener('secure', () => {
      try {
        const certificate = socket.getPeerX509Certificate();
        if (certificate !== undefined) presented.set(socket, certificate);
      } catch {
        // What cannot be read cannot be recorded.
      }
    });
  };

  const tls = createTlsServer({
    ...parts.contextOptions,
    cert: parts.certificate.certificatePem,
    key: parts.certificate.keyPem,
    requestCert: true,
    rejectUnauthorized: true,
    ALPNProtocols: ['h2', 'http/1.1'],
    handshakeTimeout: limits.handshakeTimeoutMs,
    SNICallback: chooseContext,
  });
  tls.on('secureConnection', (socket) => {
    // It is of kilobytes, and belongs to handshakes that fail.
    presented.delete(socket);
    socket.on('error', () => socket.destroy());
    const start = startOf(socket);
    const raw = rawOf(socket);
    if (raw !== undefined) destroyAtOnce(raw);
    try {
      parts.onSecure(socket, start);
    } catch (error) {
      socket.destroy();
      onRefused(buildConnectionFacts(start, undefined), refuse('internal-error', (error as Error).message));
    }
  });
  tls.on('tlsClientError', (error, socket) => {
    socket.on('error', () => undefined);
    const certificate = presented.get(socket);
    const { authorizationError } = socket as { authorizationError?: unknown };
    const name = (authorizationError as { code?: string } | undefined)?.code ?? authorizationError;
    const verification = typeof name === 'string' ? name : undefined;
    const start = startOf(socket);
    const facts = buildConnectionFacts(
      start,
      undefined,
      certificate === undefined ? undefined : describeCertificate(certificate),
    );
    socket.destroy();
    onRefused(withServerName(facts, socket), refusalOfHandshake(error, verification));
  });

  const tcp = createTcpServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 }, (raw) => {
    const start: ConnectionStart = { id: newFlowId(), startedAt: now(), ...endsOf(raw) };
    const { address } = start.source;
    const count = (perAddress.get(address) ?? 0) + 1;
    if (count > limits.maxConnectionsPerAddress) {
      raw.on('error', () => undefined);
      raw.destroy();
      onRefused(
        buildConnectionFacts(start, undefined),
        refuse('too-many-connections', `${count} from one address`),
      );
      return;
    }
    perAddress.set(address, count);
    sockets.add(raw);
    raw.once('close', () => {
      sockets.delete(raw);
      const left = (perAddress.get(address) ?? 1) - 1;
      if (left === 0) perAddress.delete(address);
      else perAddress.set(address, left);
    });
    peekClientHello(
      raw,
      limits.handshakeTimeoutMs,
      (hello) => {
        starts.set(raw, hello === undefined ? start : { ...start, ja4: ja4Of(hello) });
        destroyAfterAlert(raw);
        tls.emit('connection', raw);
      },
      (why) => {
        raw.destroy();
        onRefused(buildConnectionFacts(start, undefined), refuse('handshake-failed', why));
      },
    );
  });

  return {
    listen: () =>
      new Promise((resolve, reject) => {
        tcp.once('error', reject);
        tcp.listen(
          { host: gateway.listen, port: gateway.port, reusePort: parts.reusePort, backlog: 1024 },
          () => {
            tcp.off('error', reject);
            tcp.on('error', () => undefined);
            port = (tcp.address() as AddressInfo).port;
            resolve(port);
          },
        );
      }),
    get port() {
      return port;
    },
    get connections() {
      return sockets.size;
    },
    setCertificate: (certificatePem, keyPem) =>
      tls.setSecureContext({ ...parts.contextOptions, cert: certificatePem, key: keyPem }),
    stop: () => void tcp.close(),
    async destroyConnections() {
      const closed = [...sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve)));
      for (const socket of sockets) socket.destroy();
      await Promise.all(closed);
      // TLS hears of it one turn after TCP, and what TLS carries one turn after that.
      await nextTurn();
      await nextTurn();
    },
  };
}

/** The TCP socket below; Node has no public name for it. */
const rawOf = (socket: TLSSocket): Socket | undefined =>
  (socket as unknown as { readonly _parent?: Socket })._parent;

/**
 * Until the handshake is complete, the socket is destroyed one turn later than asked. Node destroys it as soon as
 * OpenSSL refuses a client, also while the completion of its last write is still to come, and the alert that says why
 * waits behind that write: without this, one of six clients without a certificate saw a connection closed without a word.
 */
function destroyAfterAlert(raw: Socket): void {
  raw.destroy = (error) => {
    destroyAtOnce(raw);
    setImmediate(() => raw.destroy(error));
    return raw;
  };
}

/** Takes the delay back: what is cut later, such as a revoked device, is cut in the same turn. */
function destroyAtOnce(raw: Socket): void {
  delete (raw as { destroy?: unknown }).destroy;
}

/** The name is all that is known of TLS when a handshake did not get far. */
function withServerName(facts: ConnectionFacts, socket: TLSSocket): ConnectionFacts {
  const { servername } = socket as { servername?: unknown };
  return typeof servername === 'string' && servername !== ''
    ? { ...facts, tls: { version: 'unknown', cipher: '', serverName: servername } }
    : facts;
}
