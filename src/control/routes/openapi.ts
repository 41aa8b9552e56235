import type { ControlApp } from '../api/control-parts.ts';

/** GET /v1/openapi.json: this API, described from the routes that run. */
export function openApiRoute(app: ControlApp): void {
  app.get('/v1/openapi.json', { schema: { hide: true } }, async (_request, reply) => {
    reply
      .header('content-type', 'application/json; charset=utf-8')
      .serializer((value: unknown) => JSON.stringify(value));
    return app.swagger();
  });
}
