import { constants } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { SecureContext, SecureContextOptions } from 'node:tls';
import type { Settings } from '../../contract/settings.ts';

/**
 * The contexts of the listener. Each trusts the same authorities for clients, whatever name was asked for: a choice
 * of name is never a choice of whom to trust (Node CVE-2026-48928).
 */
export function createTlsContexts(
  settings: Settings,
  authorityPems: readonly string[],
): {
  readonly options: SecureContextOptions;
  create(certificatePem: string, keyPem: string): SecureContext;
} {
  const options: SecureContextOptions = {
    ca: [...authorityPems],
    minVersion: settings.gateway.minTlsVersion,
    // Without tickets each handshake proves its certificate itself. A laptop makes one a day, which resumption would
    // halve, and holds its connection for the rest of it, which is 10 KB smaller this way.
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
  };
  return {
    options,
    create: (certificatePem, keyPem) =>
      createSecureContext({ ...options, cert: certificatePem, key: keyPem }),
  };
}
