import type { FastifyRequest } from 'fastify';
import { GatewayError } from '../contract/gateway-error.ts';
import type { Role, Scope } from '../domain/administration.ts';
import { verifyApiKey } from './api-key.ts';
import { nowSeconds } from './control-parts.ts';
import type { ControlParts } from './control-parts.ts';
import { orThrow } from './refused.ts';

/** Who administers, proven anew at each request. */
export interface AdministratorIdentity {
  /** As the ledger and the access log name who did it. */
  readonly actor: string;
  readonly roles: readonly Role[];
  /** Narrows the roles to these; all that they may, without. */
  readonly scopes?: readonly Scope[];
}

/** What a route of administrators demands. */
export interface RouteAdmission {
  /** Any one of these lets it be used. */
  readonly roles: readonly Role[];
  readonly scope: Scope;
}

/**
 * For the routes of administrators: a valid API key, looked up in the newest state at each request, whose role is one
 * that the route declares, and whose scopes hold the route's.
 */
export function requireAdministrator(parts: ControlParts): (request: FastifyRequest) => Promise<void> {
  return async (request) => {
    const key = orThrow(
      verifyApiKey(request.headers.authorization, parts.store.state.apiKeys, nowSeconds(parts)),
    );
    request.administrator = {
      actor: `api-key:${key.name}`,
      roles: [key.role],
      ...(key.scopes === undefined ? {} : { scopes: key.scopes }),
    };
    const { roles, scope } = request.routeOptions.config;
    // Routes without either do not start; see administration.ts.
    if (roles === undefined || scope === undefined) throw new TypeError('route without its admission');
    requireAdmission(request, { roles, scope });
  };
}

/**
 * Passes an administrator who has one of the roles and, where the key is narrowed to scopes, the scope. For routes where
 * what is asked decides who may ask it. @throws GatewayError that names what would do
 */
export function requireAdmission(request: FastifyRequest, { roles, scope }: RouteAdmission): void {
  const { actor, roles: held, scopes } = administratorOf(request);
  if (!roles.some((role) => held.includes(role)))
    throw new GatewayError('role-missing', {
      detail: `${actor} is ${held.join(' and ')}; this takes ${listWords(roles)}`,
    });
  if (scopes?.includes(scope) === false)
    throw new GatewayError('scope-missing', {
      detail: `${actor} is narrowed to ${scopes.join(', ')}; this takes ${scope}`,
    });
}

const listWords = (words: readonly string[]): string =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;

/** Behind requireAdministrator only. */
export function administratorOf(request: FastifyRequest): AdministratorIdentity {
  if (request.administrator === undefined) throw new TypeError('route without its administrator guard');
  return request.administrator;
}

export const actorOf = (request: FastifyRequest): string => administratorOf(request).actor;
