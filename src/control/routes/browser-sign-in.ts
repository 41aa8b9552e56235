import { Type } from 'typebox';
import { GatewayError } from '../../contract/gateway-error.ts';
import type { ControlApp, ControlParts } from '../api/control-parts.ts';
import { orThrow } from '../api/refused.ts';
import { deviceOf, requireDevice } from '../api/require-device.ts';
import type { BrowserSignIns } from '../sign-in/browser-sign-ins.ts';

const cookieName = '__Host-postern-sign-in';
const attributes = 'Path=/; Secure; HttpOnly; SameSite=Lax';
const Flag = Type.Optional(Type.Literal('1'));

/**
 * GET /v1/sign-in/browser and GET /v1/sign-in/callback: the pages that lead a browser with a device certificate, and no
 * agent, to the identity provider and back to the application that it wanted.
 */
export function browserSignInRoutes(app: ControlApp, parts: ControlParts): void {
  const configured = (): BrowserSignIns => {
    const browsers = parts.signIn?.browsers;
    if (browsers === undefined) throw new GatewayError('sign-in-not-configured');
    return browsers;
  };

  app.get(
    '/v1/sign-in/browser',
    {
      onRequest: requireDevice(parts, ['laptop']),
      config: { isPage: true },
      schema: {
        hide: true,
        querystring: Type.Object(
          { to: Type.String({ maxLength: 1500 }), fresh: Flag, mfa: Flag },
          { additionalProperties: false },
        ),
      },
    },
    async (request, reply) => {
      const { to, fresh, mfa } = request.query;
      const wish = { fresh: fresh === '1' || mfa === '1', mfa: mfa === '1' };
      const { authorizationUrl, kept } = orThrow(await configured().begin(deviceOf(request), to, wish));
      return reply
        .header('set-cookie', `${cookieName}=${kept}; ${attributes}; Max-Age=600`)
        .redirect(authorizationUrl, 303);
    },
  );

  app.get(
    '/v1/sign-in/callback',
    { onRequest: requireDevice(parts, ['laptop']), config: { isPage: true }, schema: { hide: true } },
    async (request, reply) => {
      const kept = cookieOf(request.headers.cookie);
      // Whatever comes of it, it is used.
      reply.header('set-cookie', `${cookieName}=; ${attributes}; Max-Age=0`);
      if (kept === undefined)
        throw new GatewayError('sign-in-unknown', { detail: 'no cookie of a sign-in under way' });
      request.signInAgain = configured().again(kept);
      const [, parameters = ''] = request.raw.url?.split('?') ?? [];
      const device = deviceOf(request);
      const location = orThrow(await configured().complete(device, kept, parameters));
      request.log.info({ device: device.device }, 'user signed in by browser');
      return reply.redirect(location, 303);
    },
  );
}

/** Undefined also where it stands twice. */
function cookieOf(field: string | undefined): string | undefined {
  const values = (field ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${cookieName}=`))
    .map((pair) => pair.slice(cookieName.length + 1));
  return values.length === 1 ? values[0] : undefined;
}
