import { RenewRequest, RenewResponse } from '../../contract/control-api.ts';
import { deviceRoles } from '../../domain/device.ts';
import { renew } from '../../enrollment/renew.ts';
import { awaitEnforced } from '../commit-enforced.ts';
import { nowSeconds } from '../control-parts.ts';
import type { ControlApp, ControlParts } from '../control-parts.ts';
import { deviceOf, requireDevice } from '../require-device.ts';

/** POST /v1/device/renew: a new certificate for a device that proves its present one. */
export function deviceRenewRoute(app: ControlApp, parts: ControlParts): void {
  app.post(
    '/v1/device/renew',
    {
      onRequest: requireDevice(parts, deviceRoles),
      bodyLimit: 32_768,
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
      const { value } = await awaitEnforced(
        parts,
        renew(parts.store, parts.signer, { certificate, csrPem: request.body.csr, now: nowSeconds(parts) }),
      );
      return { certificate: value.certificateChainPem, notAfter: value.notAfter };
    },
  );
}
