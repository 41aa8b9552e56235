import { EnrollRequest, EnrollResponse } from '../../contract/control-api.ts';
import { GatewayError } from '../../contract/gateway-error.ts';
import { enroll } from '../../enrollment/enroll.ts';
import { awaitEnforced } from '../changes/commit-enforced.ts';
import { nowSeconds } from '../api/control-parts.ts';
import type { ControlApp, ControlParts } from '../api/control-parts.ts';

/** POST /v1/enroll: the only route that gives a stranger something, for a one-time token. */
export function enrollRoute(app: ControlApp, parts: ControlParts): void {
  const limit = parts.failures.enrollment;
  app.post(
    '/v1/enroll',
    {
      bodyLimit: 32_768,
      config: { refusals: ['enrollment-token-invalid', 'certificate-request-invalid', 'rate-limited'] },
      schema: {
        summary: 'Enroll a device with a one-time token',
        tags: ['devices'],
        security: [],
        body: EnrollRequest,
        response: { 200: EnrollResponse },
      },
    },
    async (request) => {
      const address = request.socket.remoteAddress ?? '';
      if (await limit.isBlocked(address)) throw new GatewayError('rate-limited');
      const { token, csr } = request.body;
      try {
        const { value } = await awaitEnforced(
          parts,
          enroll(parts.store, parts.signer, { token, csrPem: csr, now: nowSeconds(parts) }),
        );
        request.log.info({ device: value.device, user: value.user }, 'device enrolled');
        return {
          device: value.device,
          user: value.user,
          domain: parts.store.state.domain,
          certificate: value.certificateChainPem,
          authority: parts.rootPem,
          notAfter: value.notAfter,
        };
      } catch (error) {
        if (error instanceof GatewayError && error.status < 500) await limit.failed(address);
        throw error;
      }
    },
  );
}
