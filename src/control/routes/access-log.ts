import { Type } from 'typebox';
import { AccessLogResponse, PageQuery } from '../../contract/control-api.ts';
import type { AccessView } from '../../contract/control-api.ts';
import type { AccessRecord } from '../../flow/schema/control.ts';
import type { ControlApp, ControlParts } from '../api/control-parts.ts';
import { formatCursor, limitOf, notACursor, parseCursor } from '../api/page.ts';

const Place = Type.Object(
  { file: Type.String(), offset: Type.Integer({ minimum: 0 }) },
  { additionalProperties: false },
);

const view = ({ time, actor, src_endpoint: source, api, metadata, unmapped }: AccessRecord): AccessView => ({
  at: time,
  actor: actor.user.name,
  roles: actor.user.groups.map(({ name }) => name),
  address: 'ip' in source ? source.ip : '',
  operation: api.operation,
  target: unmapped.postern.target,
  count: unmapped.postern.count,
  request: metadata.correlation_uid,
});

/** GET /v1/access-log: who read what over this server's API. Reading it is on record too. */
export function accessLogRoute(app: ControlApp, { accessLog }: ControlParts): void {
  app.get(
    '/v1/access-log',
    {
      config: { roles: ['owner', 'auditor'] },
      schema: {
        summary: 'Who read what, newest first',
        tags: ['administrators'],
        querystring: Type.Object(
          {
            ...PageQuery,
            actor: Type.Optional(Type.String({ maxLength: 300, description: 'such as api-key:ci' })),
            since: Type.Optional(
              Type.String({ pattern: '^[0-9]{1,15}$', description: 'epoch milliseconds' }),
            ),
          },
          { additionalProperties: false },
        ),
        response: { 200: AccessLogResponse },
      },
    },
    async (request) => {
      const { actor, since, cursor } = request.query;
      const from = parseCursor(Place, cursor);
      const { records, next } = await accessLog
        .read({
          limit: limitOf(request.query, 100),
          ...(from === undefined ? {} : { from }),
          ...(actor === undefined ? {} : { actor }),
          ...(since === undefined ? {} : { since: Number(since) }),
        })
        .catch((error: unknown) => {
          throw error instanceof RangeError ? notACursor() : error;
        });
      return { accesses: records.map(view), ...(next === undefined ? {} : { next: formatCursor(next) }) };
    },
  );
}
