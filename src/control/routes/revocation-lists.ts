import { Type } from 'typebox';
import type { ControlApp, ControlParts } from '../control-parts.ts';

const forms = [
  { path: '/v1/crl/devices.crl', form: 'der', name: 'DER', type: 'application/pkix-crl' },
  { path: '/v1/crl/devices.pem', form: 'pem', name: 'PEM', type: 'application/x-pem-file' },
] as const;

/** GET /v1/crl/devices.crl and .pem: which device certificates others must not accept any more (RFC 5280). */
export function revocationListRoutes(app: ControlApp, parts: ControlParts): void {
  for (const { path, form, name, type } of forms) {
    app.get(
      path,
      {
        schema: {
          summary: `Revocation list of the device authority (RFC 5280), ${name}`,
          tags: ['devices'],
          security: [],
          response: { 200: { content: { [type]: { schema: Type.Any({ description: name }) } } } },
        },
      },
      async (_request, reply) => {
        const list = await parts.revocationList.current();
        return reply
          .header('cache-control', 'public, max-age=300')
          .header('content-type', type)
          .send(list[form]);
      },
    );
  }
}
