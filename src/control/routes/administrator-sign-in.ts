import {
  AdministratorSignInRequest,
  AdministratorSignInResponse,
  BeginSignInResponse,
  CompleteSignInRequest,
  SignOutResponse,
} from '../../contract/control-api.ts';
import { GatewayError } from '../../contract/gateway-error.ts';
import { anyRole } from '../../domain/administration.ts';
import { commitEnforced } from '../changes/commit-enforced.ts';
import type { ControlApp, ControlParts } from '../api/control-parts.ts';
import { isRefusal, orThrow } from '../api/refused.ts';
import type { AdministratorSignIns } from '../sign-in/administrator-sign-ins.ts';

const tags = ['sign-in'];

const configured = (parts: ControlParts): AdministratorSignIns => {
  if (parts.signIn === undefined) throw new GatewayError('sign-in-not-configured');
  return parts.signIn.administrators;
};

/**
 * POST /v1/sign-in/administrator and …/complete: a person who administers signs in with the identity provider. Open to
 * strangers, like the provider's own page; what they get for it is bounded by address.
 */
export function administratorSignInRoutes(app: ControlApp, parts: ControlParts): void {
  const limit = parts.failures.administratorSignIn;
  const guard = async (address: string): Promise<void> => {
    if (await limit.isBlocked(address)) throw new GatewayError('rate-limited');
  };

  app.post(
    '/v1/sign-in/administrator',
    {
      bodyLimit: 4096,
      schema: {
        tags,
        security: [],
        summary: 'Begin the sign-in of a person who administers',
        body: AdministratorSignInRequest,
        response: { 200: BeginSignInResponse },
      },
    },
    async (request) => {
      const address = request.socket.remoteAddress ?? '';
      const administrators = configured(parts);
      await guard(address);
      // Each asks something of the provider, so each counts.
      await limit.failed(address);
      const { body } = request;
      return orThrow(
        body.flow === 'code'
          ? await administrators.beginCode(body.redirectUri)
          : await administrators.beginDeviceCode(),
      );
    },
  );

  app.post(
    '/v1/sign-in/administrator/complete',
    {
      bodyLimit: 32_768,
      schema: {
        tags,
        security: [],
        summary: 'Complete it: a bearer token of an hour, with the roles that the person has',
        body: CompleteSignInRequest,
        response: { 200: AdministratorSignInResponse },
      },
    },
    async (request) => {
      const address = request.socket.remoteAddress ?? '';
      const administrators = configured(parts);
      await guard(address);
      const { transaction, parameters } = request.body;
      const result = await administrators.complete(transaction, parameters);
      if (isRefusal(result)) await limit.failed(address);
      const done = orThrow(result);
      if ('pending' in done) return done;
      const { user, roles, token, expiresAt } = done;
      request.log.info({ user, roles }, 'administrator signed in');
      return { token, user, roles: [...roles], expiresAt };
    },
  );
}

/** POST /v1/sign-out: ends the sign-in of the person who asks; every token of it is refused from then on. */
export function administratorSignOutRoute(app: ControlApp, parts: ControlParts): void {
  app.post(
    '/v1/sign-out',
    {
      config: { roles: anyRole, admitsWithoutRole: true },
      schema: {
        tags,
        summary: 'Sign out: end the sign-in that this token is of',
        response: { 200: SignOutResponse },
      },
    },
    async (request) => {
      const { signIn, actor } = request.administrator ?? {};
      // An API key is nobody who could sign out.
      if (signIn === undefined || actor === undefined) return { ended: false };
      await commitEnforced(parts, actor, () => ({
        events: [{ type: 'sign-in-ended', ...signIn, reason: 'signed out' }],
        value: signIn.id,
      }));
      return { ended: true };
    },
  );
}
