import { Type } from 'typebox';
import { buildJwks } from '../../identity/signing-keys.ts';
import { nowSeconds } from '../api/control-parts.ts';
import type { ControlApp, ControlParts } from '../api/control-parts.ts';

const Jwks = Type.Object({ keys: Type.Array(Type.Record(Type.String(), Type.String())) });

/**
 * GET /.well-known/postern/jwks.json: what applications verify `Postern-Assertion` with. The keys of session tokens are
 * not in it: an application has no business accepting one.
 */
export function jwksRoute(app: ControlApp, parts: ControlParts): void {
  app.get(
    '/.well-known/postern/jwks.json',
    {
      schema: {
        summary: 'Keys that Postern-Assertion is verified with (RFC 7517)',
        tags: ['applications'],
        security: [],
        response: { 200: Jwks },
      },
    },
    async (_request, reply) => {
      reply.header('cache-control', 'public, max-age=3600');
      return buildJwks(parts.store.state, 'assertion', nowSeconds(parts));
    },
  );
}
