import { X509Certificate } from 'node:crypto';
import { TLSSocket } from 'node:tls';
import type { FastifyRequest } from 'fastify';
import { GatewayError } from '../../contract/gateway-error.ts';
import { refuse } from '../../contract/refusals.ts';
import type { Refusal, RefusalCode } from '../../contract/refusals.ts';
import type { DeviceRole } from '../../domain/device.ts';
import type { VerifiedCertificate } from '../../domain/subject.ts';
import { adoptCertificate } from '../../enrollment/adopt-certificate.ts';
import { identifyDevice } from '../../identity/device-identity.ts';
import { awaitEnforced } from '../changes/commit-enforced.ts';
import { nowSeconds } from './control-parts.ts';
import type { ControlParts } from './control-parts.ts';
import { isRefusal, orThrow } from './refused.ts';

/**
 * For the routes of devices: the connection's certificate, verified by OpenSSL in the handshake and identified anew at
 * each request, since a device may be revoked and a certificate expire while a connection stays open.
 * @param graceSeconds for how long after its end a certificate is still good enough. For the route that renews it alone.
 */
export function requireDevice(
  parts: ControlParts,
  roles: readonly DeviceRole[],
  graceSeconds = 0,
): (request: FastifyRequest) => Promise<void> {
  const { managed } = parts;
  const authorities = [
    parts.deviceAuthorityPem,
    ...(managed === undefined ? [] : [managed.authorityPem]),
  ].map((pem) => new X509Certificate(pem));
  return async (request) => {
    const { socket } = request.raw;
    const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
    if (!(socket instanceof TLSSocket) || certificate === undefined)
      throw new GatewayError('certificate-missing');
    const untrusted = checkTrust(socket, certificate, graceSeconds === 0 ? [] : authorities);
    if (untrusted !== undefined) throw new GatewayError(untrusted.code, { detail: untrusted.detail ?? '' });
    const options = { roles, managedAuthorityPem: managed?.authorityPem };
    const now = nowSeconds(parts);
    let identified = identifyDevice(certificate, parts.store.state, now, { ...options, graceSeconds });
    if (isRefusal(identified) && identified.code === 'certificate-expired' && graceSeconds > 0)
      identified = refuse('renewal-too-late', identified.detail);
    if (isRefusal(identified) && identified.code === 'certificate-unknown')
      // Where workers know it too: the laptop turns to one next.
      identified = (
        await awaitEnforced(parts, adoptCertificate(parts.store, certificate, { now, ...options }))
      ).value;
    if (isRefusal(identified) && identified.code === 'device-lost')
      parts.lostDevices.seen(
        { device: identified.detail ?? '', source: socket.remoteAddress ?? '' },
        request.log,
      );
    request.device = orThrow(identified);
  };
}

/**
 * OpenSSL's word on the chain. Where an expired certificate may do, its signature is verified once more by itself: the
 * word of a chain with two faults names only one of them, so `CERT_HAS_EXPIRED` does not say that all else is well.
 */
function checkTrust(
  socket: TLSSocket,
  certificate: X509Certificate,
  authorities: readonly X509Certificate[],
): Refusal | undefined {
  if (socket.authorized) return undefined;
  const reason = String(socket.authorizationError);
  if (reason !== 'CERT_HAS_EXPIRED' || authorities.length === 0) return refuse(codeOf(reason), reason);
  return authorities.some((by) => certificate.checkIssued(by) && certificate.verify(by.publicKey))
    ? undefined
    : refuse('certificate-untrusted', 'expired, and of another authority');
}

function codeOf(reason: string): RefusalCode {
  if (reason === 'CERT_HAS_EXPIRED') return 'certificate-expired';
  return reason === 'CERT_NOT_YET_VALID' ? 'certificate-not-yet-valid' : 'certificate-untrusted';
}

/** Behind requireDevice only. */
export function deviceOf(request: FastifyRequest): VerifiedCertificate {
  if (request.device === undefined) throw new TypeError('route without its device guard');
  return request.device;
}

/** The certificate that `deviceOf` is about. Behind requireDevice only. */
export function presentedBy(request: FastifyRequest): X509Certificate {
  const { socket } = request.raw;
  const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
  if (certificate === undefined) throw new TypeError('route without its device guard');
  return certificate;
}
