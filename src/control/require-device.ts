import { TLSSocket } from 'node:tls';
import type { FastifyRequest } from 'fastify';
import { GatewayError } from '../contract/gateway-error.ts';
import type { DeviceRole } from '../domain/device.ts';
import type { VerifiedCertificate } from '../domain/subject.ts';
import { identifyDevice } from '../identity/device-identity.ts';
import { nowSeconds } from './control-parts.ts';
import type { ControlParts } from './control-parts.ts';
import { isRefusal, orThrow } from './refused.ts';

/**
 * For the routes of devices: the connection's certificate, verified by OpenSSL in the handshake and identified anew at
 * each request, since a device may be revoked and a certificate expire while a connection stays open.
 */
export function requireDevice(
  parts: ControlParts,
  roles: readonly DeviceRole[],
): (request: FastifyRequest) => Promise<void> {
  return async (request) => {
    const { socket } = request.raw;
    const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
    if (certificate === undefined) throw new GatewayError('certificate-missing');
    if (!(socket instanceof TLSSocket) || !socket.authorized) {
      const reason = socket instanceof TLSSocket ? String(socket.authorizationError) : 'no TLS';
      throw new GatewayError(codeOf(reason), { detail: reason });
    }
    const identified = identifyDevice(certificate, parts.store.state, nowSeconds(parts), roles);
    if (isRefusal(identified) && identified.code === 'device-lost')
      parts.lostDevices.seen(
        { device: identified.detail ?? '', source: socket.remoteAddress ?? '' },
        request.log,
      );
    request.device = orThrow(identified);
  };
}

function codeOf(
  reason: string,
): 'certificate-expired' | 'certificate-not-yet-valid' | 'certificate-untrusted' {
  if (reason === 'CERT_HAS_EXPIRED') return 'certificate-expired';
  return reason === 'CERT_NOT_YET_VALID' ? 'certificate-not-yet-valid' : 'certificate-untrusted';
}

/** Behind requireDevice only. */
export function deviceOf(request: FastifyRequest): VerifiedCertificate {
  if (request.device === undefined) throw new TypeError('route without its device guard');
  return request.device;
}
