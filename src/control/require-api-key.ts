import type { FastifyRequest } from 'fastify';
import { GatewayError } from '../contract/gateway-error.ts';
import type { ApiKey } from '../domain/control-state.ts';
import { verifyApiKey } from './api-key.ts';
import type { ControlParts } from './control-parts.ts';

/** For the routes of administrators: a valid API key, looked up in the newest state at each request. */
export function requireApiKey(parts: ControlParts): (request: FastifyRequest) => Promise<void> {
  return async (request) => {
    request.apiKey = verifyApiKey(request.headers.authorization, parts.store.state.apiKeys);
    if (request.apiKey === undefined) throw new GatewayError('api-key-invalid');
  };
}

/** As the ledger names who did it. Behind requireApiKey only. */
export function actorOf(request: FastifyRequest): string {
  const key: ApiKey | undefined = request.apiKey;
  if (key === undefined) throw new TypeError('route without its API key guard');
  return `api-key:${key.name}`;
}
