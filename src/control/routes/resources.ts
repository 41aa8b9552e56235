import { Type } from 'typebox';
import { ListResourcesResponse, PageQuery, Waiting } from '../../contract/control-api.ts';
import { GatewayError } from '../../contract/gateway-error.ts';
import { AnyResource, resourceKinds } from '../../domain/resources.ts';
import type { ResourceKind } from '../../domain/resources.ts';
import { mapOfKind } from '../../ledger/resource-maps.ts';
import { administratorsWrite } from '../administration.ts';
import { commitChange } from '../changes/commit-change.ts';
import type { ControlApp, ControlParts } from '../api/control-parts.ts';
import { checkPolicies } from '../../policy/check-policies.ts';
import { pageOf } from '../api/page.ts';
import { planDelete } from '../changes/plan-resources.ts';
import { etagOf, preconditionOf, resourcesEtag } from '../api/preconditions.ts';
import { actorOf, requireAdmission } from '../api/require-administrator.ts';

const Kind = Type.String({ maxLength: 32, description: 'network, app, group, policy or administrator' });
const Name = Type.String({ minLength: 1, maxLength: 64 });
const KindParameter = Type.Object({ kind: Kind });
const NameParameters = Type.Object({ kind: Kind, name: Name });
const readers = ['owner', 'security', 'soc', 'auditor'] as const;

/** In singular or plural, in any case: `app`, `Apps`, `policies`. */
function parseKind(text: string): ResourceKind {
  const word = text.toLowerCase();
  const kind = resourceKinds.find((known) => {
    const singular = known.toLowerCase();
    return word === singular || word === `${singular}s` || word === singular.replace(/y$/, 'ies');
  });
  if (kind === undefined)
    throw new GatewayError('not-found', {
      problems: [`kind: ${text} is none of ${resourceKinds.map((known) => known.toLowerCase()).join(', ')}`],
    });
  return kind;
}

/** GET /v1/resources/:kind, GET and DELETE /v1/resources/:kind/:name */
export function resourceRoutes(app: ControlApp, parts: ControlParts): void {
  const { store } = parts;

  app.get(
    '/v1/resources/:kind',
    {
      config: { roles: readers, refusals: ['not-found'] },
      schema: {
        summary: 'All resources of a kind, by name',
        tags: ['resources'],
        params: KindParameter,
        querystring: Type.Object(PageQuery, { additionalProperties: false }),
        response: { 200: ListResourcesResponse },
      },
    },
    async (request, reply) => {
      const resources = mapOfKind(store.state, parseKind(request.params.kind)).values();
      const { items, ...next } = pageOf(resources, ({ name }) => name, request.query);
      reply.header('etag', resourcesEtag(store.state));
      return { resources: items, ...next };
    },
  );

  app.get(
    '/v1/resources/:kind/:name',
    {
      config: { roles: readers, refusals: ['not-found'] },
      schema: {
        summary: 'One resource, as it was applied',
        tags: ['resources'],
        params: NameParameters,
        response: { 200: AnyResource },
      },
    },
    async (request, reply) => {
      const { name } = request.params;
      const kind = parseKind(request.params.kind);
      const resource = mapOfKind(store.state, kind).get(name);
      if (resource === undefined)
        throw new GatewayError('not-found', { detail: `there is no ${kind} ${name}` });
      reply.header('etag', etagOf(resource));
      return resource;
    },
  );

  app.delete(
    '/v1/resources/:kind/:name',
    {
      config: {
        roles: ['owner', 'security'],
        honorsIfMatch: true,
        refusals: ['not-found', 'in-use', 'person-unknown'],
      },
      schema: {
        summary: 'Delete one resource that nothing refers to',
        tags: ['resources'],
        params: NameParameters,
        response: {
          200: Type.Object({
            kind: Type.String(),
            name: Type.String(),
            enforcedInMs: Type.Number(),
            workersPending: Type.Integer(),
            waiting: Type.Optional(Waiting),
          }),
        },
      },
    },
    async (request) => {
      const { name } = request.params;
      const kind = parseKind(request.params.kind);
      if (kind === 'Administrator') requireAdmission(request, administratorsWrite);
      const precondition = preconditionOf(request);
      const { value, ...enforced } = await commitChange(parts, actorOf(request), (state) => {
        const resource = mapOfKind(state, kind).get(name);
        const stale = resource === undefined ? undefined : precondition(() => etagOf(resource));
        if (stale !== undefined) return stale;
        const planned = planDelete(state, kind, name, { checkPolicies, reservedHosts: parts.reservedHosts });
        return 'events' in planned ? { events: planned.events, value: name } : planned;
      });
      return { kind, name, ...enforced, ...(value.waiting === undefined ? {} : { waiting: value.waiting }) };
    },
  );
}
