import { RenewRequest, RenewResponse } from '../../contract/control-api.ts';
import { deviceRoles } from '../../domain/device.ts';
import { renew } from '../../enrollment/renew.ts';
import { awaitEnforced } from '../changes/commit-enforced.ts';
import { nowSeconds } from '../api/control-parts.ts';
import type { ControlApp, ControlParts } from '../api/control-parts.ts';
import { deviceOf, presentedBy, requireDevice } from '../api/require-device.ts';

/**
 * POST /v1/device/renew: a new certificate for a device that proves its present one, or one that ended a while ago.
 * Its handshake is the proof either way: TLS 1.3 has the client sign the transcript of this very connection, so nothing
 * that was recorded before can be shown again. A device under a device management is refused: its authority is another.
 */
export function deviceRenewRoute(app: ControlApp, parts: ControlParts): void {
  const { graceSeconds } = parts;
  app.post(
    '/v1/device/renew',
    {
      onRequest: requireDevice(parts, deviceRoles, graceSeconds),
      bodyLimit: 32_768,
      config: { refusals: ['certificate-request-invalid', 'renewal-elsewhere'] },
      schema: {
        summary: 'Renew the certificate of the device that asks',
        tags: ['devices'],
        security: [{ deviceCertificate: [] }],
        body: RenewRequest,
        response: { 200: RenewResponse },
      },
    },
    async (request) => {
      const certificate = deviceOf(request);
      const { publicKey } = presentedBy(request);
      const hasSignIn = parts.signIn !== undefined;
      const { csr: csrPem } = request.body;
      const asked = { certificate, publicKey, isManaged: false, graceSeconds, hasSignIn, csrPem };
      const { value } = await awaitEnforced(
        parts,
        renew(parts.store, parts.signer, { ...asked, now: nowSeconds(parts) }),
      );
      const { certificateChainPem, notAfter, isLate } = value;
      if (isLate) request.log.warn({ device: certificate.device }, 'device renewed late, into quarantine');
      return { certificate: certificateChainPem, notAfter, ...(isLate ? { late: true } : {}) };
    },
  );
}
