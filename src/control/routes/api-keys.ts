import { Type } from 'typebox';
import {
  ApiKeyView,
  CreateApiKeyRequest,
  CreateApiKeyResponse,
  RevokeApiKeysRequest,
} from '../../contract/control-api.ts';
import { GatewayError } from '../../contract/gateway-error.ts';
import { refuse } from '../../contract/refusals.ts';
import type { Scope } from '../../domain/administration.ts';
import type { ApiKey } from '../../domain/control-state.ts';
import type { UserName } from '../../domain/ids.ts';
import type { Administration } from '../administration.ts';
import { checkRevocation, createApiKey, keysToRevokeOf } from '../api/api-key.ts';
import { commitEnforced } from '../changes/commit-enforced.ts';
import { nowSeconds } from '../api/control-parts.ts';
import type { ControlApp, ControlParts } from '../api/control-parts.ts';
import { isRefusal } from '../api/refused.ts';
import { actorOf, administratorOf } from '../api/require-administrator.ts';
import type { AdministratorIdentity } from '../api/require-administrator.ts';

const IdParameter = Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) });

/** A key as it may be seen: never its hash. */
function view(apiKey: ApiKey): ApiKeyView {
  const { secretHash: _, scopes, ...key } = apiKey;
  return { ...key, ...(scopes === undefined ? {} : { scopes: [...scopes] }) };
}

/**
 * What a key was not given it cannot pass on: neither more scopes nor more time. @throws GatewayError for a new key
 * that could do more than its maker. Times in epoch seconds
 */
function checkWithinMaker(
  maker: AdministratorIdentity,
  { scopes, expiresAt }: { readonly scopes: readonly Scope[]; readonly expiresAt: number | undefined },
  now: number,
): void {
  const { scopes: own, expiresAt: end } = maker;
  if (own !== undefined && scopes.some((scope) => !own.includes(scope)))
    throw new GatewayError('scope-missing', {
      detail: `a key that is narrowed to ${own.join(', ')} makes keys with these scopes or fewer`,
    });
  if (end !== undefined && (expiresAt === undefined || expiresAt > end))
    throw new GatewayError('key-outlives-maker', {
      detail: `${maker.actor} expires at ${new Date(end * 1000).toISOString()}; a key that it makes may last ${end - now} seconds at most, and this one ${expiresAt === undefined ? 'would not expire' : `would last ${expiresAt - now}`}`,
    });
}

/** GET and POST /v1/api-keys, POST /v1/api-keys/revoke, DELETE /v1/api-keys/:id. The answer to the POST is the only time a secret is seen. */
export function apiKeyRoutes(app: ControlApp, parts: ControlParts, { scopes: known }: Administration): void {
  const { store } = parts;

  app.get(
    '/v1/api-keys',
    {
      config: { roles: ['owner', 'auditor'] },
      schema: {
        summary: 'All API keys, those that were revoked too',
        tags: ['administrators'],
        response: { 200: Type.Object({ apiKeys: Type.Array(ApiKeyView) }) },
      },
    },
    async () => ({ apiKeys: [...store.state.apiKeys.values()].map(view) }),
  );

  app.post(
    '/v1/api-keys',
    {
      config: { roles: ['owner'], refusals: ['name-taken', 'key-outlives-maker'] },
      schema: {
        summary: 'Make an API key; only its hash is stored',
        tags: ['administrators'],
        body: CreateApiKeyRequest,
        response: { 200: CreateApiKeyResponse },
      },
    },
    async (request) => {
      const { name, role, ttlSeconds } = request.body;
      const scopes = request.body.scopes as readonly Scope[] | undefined;
      const unknown = (scopes ?? []).filter((scope) => !known.has(scope));
      if (unknown.length > 0)
        throw new GatewayError('invalid-input', {
          problems: unknown.map(
            (scope) => `scopes: there is no scope ${scope}; there are ${[...known].sort().join(', ')}`,
          ),
        });
      const maker = administratorOf(request);
      const expiresAt = ttlSeconds === undefined ? undefined : nowSeconds(parts) + ttlSeconds;
      checkWithinMaker(maker, { scopes: scopes ?? [...known], expiresAt }, nowSeconds(parts));
      const made = createApiKey({
        name,
        role,
        ...(scopes === undefined ? {} : { scopes: [...new Set(scopes)] }),
        ...(expiresAt === undefined ? {} : { expiresAt }),
      });
      const { value: id } = await commitEnforced(parts, actorOf(request), (state) => {
        if ([...state.apiKeys.values()].some((key) => key.name === name))
          return refuse('name-taken', `there is or was an API key ${name}`);
        return { events: [made.event], value: made.event.id };
      });
      const key = store.state.apiKeys.get(id);
      if (key === undefined) throw new GatewayError('internal-error');
      return { key: made.key, apiKey: view(key) };
    },
  );

  app.post(
    '/v1/api-keys/revoke',
    {
      config: { roles: ['owner'], refusals: ['not-found', 'last-owner'] },
      schema: {
        summary: 'Revoke for good all API keys that a person made, and those made with them',
        tags: ['administrators'],
        body: RevokeApiKeysRequest,
        response: { 200: Type.Object({ apiKeys: Type.Array(ApiKeyView) }) },
      },
    },
    async (request) => {
      const { person } = request.body;
      const { value: ids } = await commitEnforced(parts, actorOf(request), (state) => {
        const keys = keysToRevokeOf(state, person as UserName);
        return isRefusal(keys)
          ? keys
          : { events: keys.map((id) => ({ type: 'api-key-revoked', id }) as const), value: keys };
      });
      const apiKeys = ids.flatMap((id) => {
        const key = store.state.apiKeys.get(id);
        return key === undefined ? [] : [view(key)];
      });
      return { apiKeys };
    },
  );

  app.delete(
    '/v1/api-keys/:id',
    {
      config: { roles: ['owner'], refusals: ['not-found', 'state-final', 'last-owner'] },
      schema: {
        summary: 'Revoke an API key for good',
        tags: ['administrators'],
        params: IdParameter,
        response: { 200: Type.Object({ apiKey: ApiKeyView }) },
      },
    },
    async (request) => {
      const { id } = request.params;
      await commitEnforced(
        parts,
        actorOf(request),
        (state) => checkRevocation(state, id) ?? { events: [{ type: 'api-key-revoked', id }], value: id },
      );
      const key = store.state.apiKeys.get(id);
      if (key === undefined) throw new GatewayError('internal-error');
      return { apiKey: view(key) };
    },
  );
}
