import { TokenRequest, TokenResponse } from '../../contract/control-api.ts';
import { GatewayError } from '../../contract/gateway-error.ts';
import { flowRoles } from '../../domain/device.ts';
import { machineName } from '../../domain/subject.ts';
import { acceptAwaited, isSignInFresh } from '../../enrollment/accept-posture.ts';
import { signSessionToken } from '../../identity/session-token.ts';
import { awaitEnforced } from '../changes/commit-enforced.ts';
import { nowSeconds } from '../api/control-parts.ts';
import type { ControlApp, ControlParts } from '../api/control-parts.ts';
import { acceptPosture } from '../devices/posture-report.ts';
import { orThrow } from '../api/refused.ts';
import { deviceOf, requireDevice } from '../api/require-device.ts';

/**
 * POST /v1/device/token: a session token bound to the certificate of this connection. Its user is who signed in on the
 * device; where no identity provider is configured, who enrolled it; a machine has none and asks under its own name. A
 * device that was only enrolled is active from its first posture on, one that renewed late from the first that comes with
 * a new sign-in, and every gateway knows before the token is given that would use it. A device in quarantine gets one
 * too: what it may still do is for the policies to say, and its flows are recorded with their user. A revoked or lost one
 * gets none.
 */
export function deviceTokenRoute(app: ControlApp, parts: ControlParts): void {
  app.post(
    '/v1/device/token',
    {
      onRequest: requireDevice(parts, flowRoles),
      bodyLimit: 32_768,
      schema: {
        summary: 'Get a session token of ten minutes for the posture at hand',
        tags: ['devices'],
        security: [{ deviceCertificate: [] }],
        body: TokenRequest,
        response: { 200: TokenResponse },
      },
    },
    async (request) => {
      // A device that was revoked meanwhile would get a token for ten minutes more.
      if (parts.isLedgerAway()) throw new GatewayError('store-unavailable', { detail: 'ledger away' });
      const { device: id, thumbprint } = deviceOf(request);
      const device = parts.store.state.devices.get(id);
      if (device === undefined) throw new GatewayError('device-unknown');
      const now = nowSeconds(parts);
      const { posture: report, signIn: kept } = request.body;
      const mustSignIn = parts.signIn !== undefined && device.role !== 'machine';
      const signedIn = mustSignIn ? orThrow(parts.signIn.devices.open(id, kept)) : undefined;
      if (signedIn !== undefined && !isSignInFresh(device, signedIn.signIn?.at))
        throw new GatewayError('sign-in-required', { detail: `${id} renewed late and awaits a new sign-in` });
      const posture = report === undefined ? undefined : acceptPosture(report, now);
      if (posture !== undefined) {
        await parts.postures.remember(id, {
          ...posture,
          ...(report?.reasons && { reasons: report.reasons }),
          receivedAt: parts.clock(),
        });
        if (device.awaits !== undefined)
          await awaitEnforced(parts, acceptAwaited(parts.store, id, signedIn?.signIn?.at));
      }
      const isMachine = device.role === 'machine';
      const user = isMachine ? machineName(parts.store.state.domain, id) : (signedIn?.user ?? device.user);
      const { token, expiresAt } = await signSessionToken(parts.sessionKey(), {
        domain: parts.store.state.domain,
        pseudonym: isMachine ? undefined : await parts.people?.pseudonym(user, parts.clock()),
        device: id,
        thumbprint,
        claims: {},
        posture,
        ...signedIn,
        user,
        now,
      });
      return { token, expiresAt, expiresInSeconds: expiresAt - now };
    },
  );
}
