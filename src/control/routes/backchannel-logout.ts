import { Type } from 'typebox';
import { GatewayError } from '../../contract/gateway-error.ts';
import type { UserName } from '../../domain/ids.ts';
import { commitEnforced } from '../changes/commit-enforced.ts';
import { nowSeconds } from '../api/control-parts.ts';
import type { ControlApp, ControlParts } from '../api/control-parts.ts';
import { orThrow } from '../api/refused.ts';

const LogoutForm = Type.Object({ logout_token: Type.String({ minLength: 1, maxLength: 16_384 }) });

/**
 * POST /v1/sign-in/backchannel-logout (OpenID Connect Back-Channel Logout 1.0): the identity provider says that a user or
 * a session of its own is over. Answered when no gateway lets anything of it pass any more.
 */
export function backchannelLogoutRoute(app: ControlApp, parts: ControlParts): void {
  const limit = parts.failures.logout;
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string', bodyLimit: 32_768 },
    (_request, body, done) => {
      // A parameter that is there twice is read one way here and another elsewhere, so it is not read at all.
      const pairs = [...new URLSearchParams(String(body))];
      const names = new Set(pairs.map(([name]) => name));
      done(null, names.size === pairs.length ? Object.fromEntries(pairs) : {});
    },
  );
  app.post(
    '/v1/sign-in/backchannel-logout',
    {
      config: { mediaType: 'form' },
      schema: {
        summary: 'Logout at the identity provider: a logout token of OpenID Connect',
        tags: ['sign-in'],
        security: [],
        consumes: ['application/x-www-form-urlencoded'],
        body: LogoutForm,
        response: { 200: Type.Object({}) },
      },
    },
    async (request) => {
      if (parts.signIn === undefined) throw new GatewayError('sign-in-not-configured');
      const address = request.socket.remoteAddress ?? '';
      if (await limit.isBlocked(address)) throw new GatewayError('rate-limited');
      const verified = await parts.signIn.logouts.verify(request.body.logout_token, nowSeconds(parts));
      if ('code' in verified) await limit.failed(address);
      const { id, subject, release } = orThrow(verified);
      const { enforcedInMs, workersPending } = await commitEnforced(parts, 'identity-provider', () => ({
        events: [
          {
            type: 'sign-in-ended',
            id,
            user: subject as UserName,
            reason: 'signed out at the identity provider',
          },
        ],
        value: id,
      })).catch(async (error: unknown) => {
        // A provider that tries again with the same token must find the user still to be signed out.
        await release();
        throw error;
      });
      request.log.info({ id, enforcedInMs, workersPending }, 'signed out by the identity provider');
      return {};
    },
  );
}
