import { X509Certificate } from 'node:crypto';
import { certificateThumbprint } from '../../../certs/thumbprint.ts';
import { CreateEnrollmentTokenRequest, CreateEnrollmentTokenResponse } from '../../contract/control-api.ts';
import { GatewayError } from '../../contract/gateway-error.ts';
import { createEnrollmentToken } from '../../enrollment/enrollment-token.ts';
import { commitEnforced } from '../changes/commit-enforced.ts';
import { nowSeconds } from '../api/control-parts.ts';
import type { ControlApp, ControlParts } from '../api/control-parts.ts';
import { actorOf } from '../api/require-administrator.ts';

/** POST /v1/enrollment-tokens. There is no route that reads one: the answer is the only time its secret is seen. */
export function enrollmentTokenRoutes(app: ControlApp, parts: ControlParts): void {
  const rootFingerprint = certificateThumbprint(new X509Certificate(parts.rootPem).raw);
  app.post(
    '/v1/enrollment-tokens',
    {
      config: { roles: ['owner', 'security'], refusals: ['scep-off'] },
      schema: {
        summary: 'Make a one-time enrollment token, bound to a user and a role',
        tags: ['devices'],
        body: CreateEnrollmentTokenRequest,
        response: { 200: CreateEnrollmentTokenResponse },
      },
    },
    async (request) => {
      if (request.body.protocol === 'scep' && parts.managed?.scep === undefined)
        throw new GatewayError('scep-off');
      const now = nowSeconds(parts);
      const { value } = await commitEnforced(parts, actorOf(request), (state) =>
        createEnrollmentToken(state, { ...request.body, rootFingerprint, now }),
      );
      return { id: value.id, token: value.token, user: value.user, expiresAt: value.expiresAt };
    },
  );
}
