import { Type } from 'typebox';
import type { ControlApp, ControlParts } from '../api/control-parts.ts';
import type { PublishedRevocationList } from '../devices/revocation-list.ts';

const forms = [
  { ending: 'crl', form: 'der', name: 'DER', type: 'application/pkix-crl' },
  { ending: 'pem', form: 'pem', name: 'PEM', type: 'application/x-pem-file' },
] as const;

/** GET /v1/crl/devices.crl and .pem, and managed-devices where there are any: which device certificates others must not accept any more (RFC 5280). */
export function revocationListRoutes(app: ControlApp, parts: ControlParts): void {
  routes(app, 'devices', 'device authority', parts.revocationList);
  if (parts.managed !== undefined)
    routes(app, 'managed-devices', 'authority of managed devices', parts.managed.revocationList);
}

function routes(app: ControlApp, name: string, authority: string, published: PublishedRevocationList): void {
  for (const { ending, form, name: format, type } of forms) {
    app.get(
      `/v1/crl/${name}.${ending}`,
      {
        schema: {
          summary: `Revocation list of the ${authority} (RFC 5280), ${format}`,
          tags: ['devices'],
          security: [],
          response: { 200: { content: { [type]: { schema: Type.Any({ description: format }) } } } },
        },
      },
      async (_request, reply) => {
        const list = await published.current();
        return reply
          .header('cache-control', 'public, max-age=300')
          .header('content-type', type)
          .send(list[form]);
      },
    );
  }
}
