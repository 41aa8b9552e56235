import { MakeBundleRequest, MakeBundleResponse } from '../../contract/control-api.ts';
import { GatewayError } from '../../contract/gateway-error.ts';
import { makeBundle } from '../../enrollment/bundle.ts';
import { awaitEnforced } from '../changes/commit-enforced.ts';
import { nowSeconds } from '../api/control-parts.ts';
import type { ControlApp, ControlParts } from '../api/control-parts.ts';
import { actorOf } from '../api/require-administrator.ts';

/**
 * POST /v1/device-bundles: a certificate for a key that an administrator made for a device that cannot make its own. The
 * key stays with whoever asks; only the request comes here.
 */
export function deviceBundleRoute(app: ControlApp, parts: ControlParts): void {
  app.post(
    '/v1/device-bundles',
    {
      config: {
        roles: ['owner', 'security'],
        refusals: ['managed-devices-off', 'certificate-request-invalid'],
      },
      bodyLimit: 32_768,
      schema: {
        summary: 'Certify an RSA key made for a device under a device management',
        tags: ['devices'],
        body: MakeBundleRequest,
        response: { 200: MakeBundleResponse },
      },
    },
    async (request) => {
      if (parts.managed === undefined) throw new GatewayError('managed-devices-off');
      const { user, csr } = request.body;
      const made = makeBundle(parts.store, parts.managed.signer, {
        actor: actorOf(request),
        user,
        csrPem: csr,
        now: nowSeconds(parts),
      });
      const { value } = await awaitEnforced(parts, made);
      request.log.info({ device: value.device, user: value.user, actor: actorOf(request) }, 'bundle made');
      const { device, notAfter, certificateChainPem: certificate } = value;
      return { device, user: value.user, certificate, notAfter };
    },
  );
}
