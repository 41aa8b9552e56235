import { constants } from 'node:crypto';
import type { ServerOptions } from 'node:https';
import type { ServerCertificate } from '../keys/server-certificate.ts';

/**
 * How the control plane answers a handshake. A client certificate is asked for and not demanded, because enrollment and
 * administration have none; routes of devices demand one that verified against the device authority, and no other.
 */
export function controlTlsOptions(
  certificate: Pick<ServerCertificate, 'chainPem' | 'keyPem'>,
  clientAuthorityPems: readonly string[],
): ServerOptions {
  return {
    cert: certificate.chainPem,
    key: certificate.keyPem,
    // Not the root, which also stands above servers, and must not be trusted to end a client's chain.
    ca: [...clientAuthorityPems],
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.3',
    ALPNProtocols: ['http/1.1'],
    // Each connection proves its certificate itself; a resumed one would stand on what an earlier one proved.
    secureOptions: constants.SSL_OP_NO_TICKET,
    handshakeTimeout: 10_000,
    headersTimeout: 10_000,
    maxHeaderSize: 16_384,
    connectionsCheckingInterval: 5000,
  };
}
