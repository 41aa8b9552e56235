import { constants } from 'node:crypto';
import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { createServer as createTlsServer, TLSSocket } from 'node:tls';
import type { SecureContext, Server } from 'node:tls';
import { certificateThumbprint } from '../../certs/thumbprint.ts';
import { refuse } from '../contract/refusals.ts';
import type { Refusal, RefusalCode } from '../contract/refusals.ts';
import type { ConnectionFacts } from '../domain/flow.ts';
import type { VerifiedCertificate } from '../domain/subject.ts';
import { identifyDevice } from '../identity/device-identity.ts';
import type { ClientConnection } from './connection.ts';
import { v7 } from './flow-id.ts';
import type { GatewayParts } from './gateway-parts.ts';
import { UnknownServerName } from './server-names.ts';
import type { ServerNames } from './server-names.ts';

export interface ListenerEvents {
  readonly connected: (connection: ClientConnection, protocol: 'h2' | 'http/1.1') => void;
  readonly refused: (facts: ConnectionFacts, refusal: Refusal) => void;
}

/**
 * The TLS listener: a client certificate is required in every handshake, OpenSSL verifies its chain to the device authority, then it must
 * be one that the ledger knows. Bounds hold before anything is known of the peer; no callback throws (CVE-2026-21637).
 */
export function createListener(
  parts: Pick<GatewayParts, 'settings' | 'clientAuthorityPem' | 'gatewayIdentity' | 'state' | 'now' | 'log'>,
  names: ServerNames,
  events: ListenerEvents,
): Server {
  const { limits, gateway } = parts.settings;
  const openByAddress = new Map<string, number>();

  const server = createTlsServer({
    cert: parts.gatewayIdentity.certificatePem,
    key: parts.gatewayIdentity.privateKeyPem,
    ca: parts.clientAuthorityPem,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: gateway.minTlsVersion,
    ALPNProtocols: ['h2', 'http/1.1'],
    handshakeTimeout: limits.handshakeTimeoutMs,
    // Agents hold one session for hours: a ticket is 10 KB that nobody comes back with, and a certificate that is not looked at again.
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true,
    SNICallback(
      this: unknown,
      serverName: string,
      callback: (error: Error | null, context?: SecureContext) => void,
    ) {
      names.find(serverName.toLowerCase()).then(
        (context) => callback(null, context),
        (error: unknown) => callback(error instanceof Error ? error : new Error(String(error))),
      );
    },
  });

  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? '';
    const open = openByAddress.get(address) ?? 0;
    if (open >= limits.maxConnectionsPerAddress) {
      events.refused(factsOf(socket, undefined), refuse('too-many-connections', `${open} are open`));
      socket.destroy();
      return;
    }
    openByAddress.set(address, open + 1);
    socket.once('close', () => {
      const left = (openByAddress.get(address) ?? 1) - 1;
      if (left === 0) openByAddress.delete(address);
      else openByAddress.set(address, left);
    });
  });

  server.on('secureConnection', (socket) => {
    try {
      socket.on('error', () => socket.destroy());
      accept(socket);
    } catch (error) {
      parts.log.error({ err: error }, 'connection failed');
      socket.destroy();
    }
  });

  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    // Refused for too many: recorded already, and closed before it said a word.
    if (
      socket.remoteAddress === undefined &&
      socket.bytesRead === 0 &&
      error.code === 'ECONNRESET' &&
      verifyErrorOf(socket) === undefined
    )
      return;
    // Node destroys the socket itself, once the alert is out.
    events.refused(factsOf(socket, undefined), handshakeRefusal(error, socket));
  });

  const factsOf = (
    socket: Socket | TLSSocket,
    certificate: X509Certificate | undefined,
    identified?: VerifiedCertificate,
  ): ConnectionFacts => {
    const secure = socket instanceof TLSSocket ? socket : undefined;
    const version = secure?.getProtocol() ?? undefined;
    const { servername } = (secure ?? {}) as { servername?: string | false };
    return {
      id: v7(),
      startedAt: parts.now(),
      source: { address: plainAddress(socket.remoteAddress), port: socket.remotePort ?? 0 },
      destination: { address: plainAddress(socket.localAddress), port: socket.localPort ?? 0 },
      ...(version === undefined || version === null
        ? {}
        : {
            tls: {
              version: version.replace(/^TLSv/, ''),
              cipher: secure?.getCipher()?.name ?? 'unknown',
              ...(typeof servername === 'string' && servername !== '' ? { serverName: servername } : {}),
              ...(typeof secure?.alpnProtocol === 'string' ? { alpn: secure.alpnProtocol } : {}),
            },
          }),
      ...(certificate === undefined ? {} : { certificate: certificateFacts(certificate, identified) }),
    };
  };

  function accept(socket: TLSSocket): void {
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined || !socket.authorized) {
      events.refused(factsOf(socket, certificate), refuse('certificate-untrusted'));
      socket.destroy();
      return;
    }
    const identified = identifyDevice(certificate, parts.state, Math.floor(parts.now() / 1000));
    if ('code' in identified) {
      events.refused(factsOf(socket, certificate), identified);
      socket.destroy();
      return;
    }
    const facts = factsOf(socket, certificate, identified);
    const connection: ClientConnection = {
      facts,
      certificate: identified,
      serverName: facts.tls?.serverName?.toLowerCase(),
      transport: socket,
      rawAuthorization: undefined,
      subject: undefined,
      verifying: undefined,
      grants: new Set(),
      endedBecause: undefined,
    };
    events.connected(connection, socket.alpnProtocol === 'h2' ? 'h2' : 'http/1.1');
  }

  return server;
}

const plainAddress = (address: string | undefined): string =>
  (address ?? 'unknown').replace(/^::ffff:(?=[0-9.]+$)/, '');

const verifyErrorOf = (socket: TLSSocket): string | undefined => {
  const { authorizationError } = socket as { authorizationError?: unknown };
  if (authorizationError === null || authorizationError === undefined) return undefined;
  return typeof authorizationError === 'string'
    ? authorizationError
    : ((authorizationError as { code?: string }).code ?? 'unverified');
};

const verifyCodes: Readonly<Record<string, RefusalCode>> = {
  CERT_HAS_EXPIRED: 'certificate-expired',
  CERT_NOT_YET_VALID: 'certificate-not-yet-valid',
};

function handshakeRefusal(error: NodeJS.ErrnoException, socket: TLSSocket): Refusal {
  const verifyError = verifyErrorOf(socket);
  if (verifyError !== undefined)
    return refuse(verifyCodes[verifyError] ?? 'certificate-untrusted', verifyError);
  if (error instanceof UnknownServerName) return refuse('server-name-unknown', error.message.slice(0, 253));
  if (error.code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE') return refuse('certificate-missing');
  return refuse('handshake-failed', error.code ?? error.message);
}

function certificateFacts(
  certificate: X509Certificate,
  identified: VerifiedCertificate | undefined,
): NonNullable<ConnectionFacts['certificate']> {
  const device = identified?.device;
  return {
    ...(device === undefined ? {} : { device }),
    serial: certificate.serialNumber,
    issuer: certificate.issuer.replaceAll('\n', ', '),
    ...(certificate.subject === undefined || certificate.subject === ''
      ? {}
      : { subject: certificate.subject.replaceAll('\n', ', ') }),
    thumbprint: identified?.thumbprint ?? certificateThumbprint(certificate.raw),
    notBefore: Math.floor(certificate.validFromDate.getTime() / 1000),
    notAfter: Math.floor(certificate.validToDate.getTime() / 1000),
  };
}
