import {
  BeginSignInRequest,
  BeginSignInResponse,
  CompleteSignInRequest,
  CompleteSignInResponse,
  SignOutRequest,
  SignOutResponse,
} from '../../contract/control-api.ts';
import { GatewayError } from '../../contract/gateway-error.ts';
import { commitEnforced } from '../changes/commit-enforced.ts';
import type { ControlApp, ControlParts } from '../api/control-parts.ts';
import { isRefusal, orThrow } from '../api/refused.ts';
import { deviceOf, requireDevice } from '../api/require-device.ts';
import type { DeviceSignIns } from '../sign-in/device-sign-ins.ts';

/**
 * POST /v1/device/sign-in, …/sign-in/complete and …/sign-out: the user of a device signs in with the identity provider. The control plane is the provider's client, so a laptop never sees a token of the provider; what it gets is sealed.
 */
export function deviceSignInRoutes(app: ControlApp, parts: ControlParts): void {
  const common = { tags: ['devices'], security: [{ deviceCertificate: [] }] };
  const configured = (): DeviceSignIns => {
    if (parts.signIn === undefined) throw new GatewayError('sign-in-not-configured');
    return parts.signIn.devices;
  };

  app.post(
    '/v1/device/sign-in',
    {
      onRequest: requireDevice(parts, ['laptop']),
      bodyLimit: 4096,
      schema: {
        ...common,
        summary: 'Begin a sign-in: an address for the browser, or a code for another device',
        body: BeginSignInRequest,
        response: { 200: BeginSignInResponse },
      },
    },
    async (request) => {
      const { device } = deviceOf(request);
      // After a late renewal the provider's session of before the holiday proves nothing.
      const isBack = parts.store.state.devices.get(device)?.awaits === 'sign-in';
      const wish = isBack ? { ...request.body, fresh: true } : request.body;
      return orThrow(await configured().begin(device, wish));
    },
  );

  app.post(
    '/v1/device/sign-in/complete',
    {
      onRequest: requireDevice(parts, ['laptop']),
      bodyLimit: 32_768,
      schema: {
        ...common,
        summary: 'Complete a sign-in that this device began; once, within ten minutes',
        body: CompleteSignInRequest,
        response: { 200: CompleteSignInResponse },
      },
    },
    async (request) => {
      const { device } = deviceOf(request);
      const { transaction, parameters } = request.body;
      const result = orThrow(await configured().complete(device, transaction, parameters));
      if ('pending' in result) return result;
      const { user, at, mfa, expiresAt } = result.session;
      request.log.info({ device, user, mfa }, 'user signed in');
      return { signIn: result.sealed, user, at, mfa, expiresAt };
    },
  );

  app.post(
    '/v1/device/sign-out',
    {
      onRequest: requireDevice(parts, ['laptop']),
      bodyLimit: 32_768,
      schema: {
        ...common,
        summary: 'End the sign-in that this device keeps; answers once every worker has cut its flows',
        body: SignOutRequest,
        response: { 200: SignOutResponse },
      },
    },
    async (request) => {
      const { device } = deviceOf(request);
      const signedIn = configured().open(device, request.body.signIn);
      // Over or not ours: there is nothing to end, and whoever asks wants just that.
      if (isRefusal(signedIn) || signedIn.signIn === undefined) return { ended: false };
      const { signIn, user } = signedIn;
      await commitEnforced(parts, `device:${device}`, () => ({
        events: [{ type: 'sign-in-ended', id: signIn.id, user, reason: 'signed out on the device' }],
        value: signIn.id,
      }));
      request.log.info({ device, user }, 'user signed out');
      return { ended: true };
    },
  );
}
