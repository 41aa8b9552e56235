import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { FastifyBaseLogger } from 'fastify';
import type { Settings } from '../../contract/settings.ts';
import { buildControl } from './build-control.ts';
import { limitConnections } from './connection-limit.ts';
import type { ControlParts } from './control-parts.ts';
import { keepCertificate } from '../keys/server-certificates.ts';
import type { KeptCertificate, KeptCertificateOptions } from '../keys/server-certificates.ts';
import { controlTlsOptions } from './tls-options.ts';

export interface ListeningApi {
  readonly port: number;
  readonly certificate: KeptCertificate;
  /** Lets requests in flight end. */
  close(): Promise<void>;
}

const maxConnections = 20_000;

/** The API on its HTTPS listener, under a certificate that is renewed while it runs. */
export async function listenApi(
  parts: ControlParts,
  options: {
    readonly settings: Settings;
    readonly port: number;
    /** What certificates of devices are verified with. */
    readonly clientAuthorityPems: readonly string[];
    readonly authority: Pick<KeptCertificateOptions, 'authority' | 'rootPem' | 'now'>;
    readonly logger: FastifyBaseLogger;
  },
): Promise<ListeningApi> {
  const { settings, port, clientAuthorityPems, logger } = options;
  const { listen, names } = settings.control;
  const certificate = await keepCertificate({
    ...options.authority,
    profile: 'control',
    names,
    onRenewed: (renewed) => server.setSecureContext(controlTlsOptions(renewed, clientAuthorityPems)),
  });
  const tls = controlTlsOptions(certificate.current, clientAuthorityPems);
  const app = await buildControl(parts, { tls, logger });
  const server = app.server as unknown as Server;
  limitConnections(server, {
    perAddress: settings.limits.maxConnectionsPerAddress,
    total: maxConnections,
  });
  // Scans and impatient clients; without a listener each would be an unhandled error of its socket.
  server.on('tlsClientError', (error) => logger.debug({ err: error }, 'handshake failed'));
  // A name would be listened to at each of its addresses by servers that get no renewed certificate.
  const host = listen === 'localhost' ? '127.0.0.1' : listen;
  await app.listen({ host, port, listenTextResolver: () => 'control plane listens' });
  return { port: (server.address() as AddressInfo).port, certificate, close: () => app.close() };
}
