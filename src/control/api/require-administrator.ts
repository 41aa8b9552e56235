import type { FastifyRequest } from 'fastify';
import { GatewayError } from '../../contract/gateway-error.ts';
import type { Role, Scope } from '../../domain/administration.ts';
import type { UserName } from '../../domain/ids.ts';
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
  /** Of an API key that expires: when, in epoch seconds. */
  readonly expiresAt?: number;
  /** Of a person: the sign-in that the token stems from. */
  readonly signIn?: { readonly id: string; readonly user: UserName };
}

/** What a route of administrators demands. */
export interface RouteAdmission {
  /** Any one of these lets it be used. */
  readonly roles: readonly Role[];
  readonly scope: Scope;
}

/**
 * For the routes of administrators: a valid API key, or the token of a person who signed in, held against the newest state
 * at each request, with a role that the route declares and, of a narrowed key, the route's scope.
 */
export function requireAdministrator(parts: ControlParts): (request: FastifyRequest) => Promise<void> {
  return async (request) => {
    // Node keeps the first of several and forgets the others; a proxy in front of it may have looked at the last.
    if ((request.raw.headersDistinct['authorization']?.length ?? 0) > 1)
      throw new GatewayError('api-key-invalid', { detail: 'Authorization given twice' });
    request.administrator = identify(request.headers.authorization, parts);
    const { config } = request.routeOptions;
    const { roles, scope } = config;
    // Routes without either do not start; see administration.ts.
    if (roles === undefined || scope === undefined) throw new TypeError('route without its admission');
    const { roles: held, signIn } = administratorOf(request);
    if (config.admitsWithoutRole === true && signIn !== undefined && held.length === 0) return;
    requireAdmission(request, { roles, scope });
  };
}

/** A key of a machine, or the token of a person who signed in: each has a shape of its own, and one way to be verified. */
function identify(authorization: string | undefined, parts: ControlParts): AdministratorIdentity {
  const token = personShape.exec(authorization ?? '')?.[1];
  if (token !== undefined && parts.signIn !== undefined) {
    const { user, roles, signInId } = orThrow(parts.signIn.administrators.verify(token));
    return { actor: `user:${user}`, roles, signIn: { id: signInId, user } };
  }
  const key = orThrow(verifyApiKey(authorization, parts.store.state.apiKeys, nowSeconds(parts)));
  return {
    actor: `api-key:${key.name}`,
    roles: [key.role],
    ...(key.scopes === undefined ? {} : { scopes: key.scopes }),
    ...(key.expiresAt === undefined ? {} : { expiresAt: key.expiresAt }),
  };
}

const personShape = /^Bearer (pss1\.[A-Za-z0-9_-]+)$/i;

/**
 * Passes an administrator who has one of the roles and, where the key is narrowed to scopes, the scope. For routes where
 * what is asked decides who may ask it. @throws GatewayError that names what would do
 */
export function requireAdmission(request: FastifyRequest, { roles, scope }: RouteAdmission): void {
  const { actor, roles: held, scopes } = administratorOf(request);
  if (!roles.some((role) => held.includes(role)))
    throw new GatewayError('role-missing', {
      detail: `${actor} ${held.length === 0 ? 'administers nothing' : `is ${held.join(' and ')}`}; this takes ${listWords(roles)}`,
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
