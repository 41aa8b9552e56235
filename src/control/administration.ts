import type { RouteOptions } from 'fastify';
import { roles as knownRoles } from '../domain/administration.ts';
import type { Role, Scope } from '../domain/administration.ts';
import type { ControlApp, ControlParts } from './api/control-parts.ts';
import { requireAdministrator } from './api/require-administrator.ts';

/** Changing who administers: asked for beside the scope of the route, since `resources:write` alone must not give it. */
export const administratorsWrite = { roles: ['owner'], scope: 'administrators:write' } as const;

/** The part of the API that administrators use. */
export interface Administration {
  /** Every scope that one of its routes asks for: what an API key can be narrowed to. */
  readonly scopes: ReadonlySet<Scope>;
}

/**
 * Guards every route that is added to this scope from now on. Each says in its `config` which `roles` it admits; its
 * `scope` is made of its path and method where it does not say that too. One without roles keeps the server from
 * starting: a route that everyone may use by oversight must not run.
 */
export function guardAdministration(app: ControlApp, parts: ControlParts): Administration {
  const scopes = new Set<Scope>([administratorsWrite.scope]);
  app.addHook('onRoute', (route) => {
    const admitted = rolesOfRoute(route);
    const scope = route.config?.scope ?? scopeOfRoute(route);
    scopes.add(scope);
    route.config = { ...route.config, roles: admitted, scope };
  });
  app.addHook('onRequest', requireAdministrator(parts));
  return { scopes };
}

function rolesOfRoute({ config, method, url }: RouteOptions): readonly Role[] {
  const admitted: readonly Role[] = config?.roles ?? [];
  if (admitted.length === 0)
    throw new TypeError(`${String(method)} ${url} does not say which roles it admits`);
  const unknown = admitted.filter((role) => !knownRoles.includes(role));
  if (unknown.length > 0) throw new TypeError(`${String(method)} ${url} admits ${unknown.join(', ')}`);
  return admitted;
}

/** `GET /v1/devices/:id` is `devices:read`; whatever is not a GET counts as a change. */
function scopeOfRoute({ method, url }: RouteOptions): Scope {
  const [, , area = ''] = url.split('/');
  return `${area}:${method === 'GET' ? 'read' : 'write'}`;
}
