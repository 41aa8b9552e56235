import httpProxy from '@fastify/http-proxy';
import { Type } from 'typebox';
import { GatewayList } from '../../contract/control-api.ts';
import { GatewayError } from '../../contract/gateway-error.ts';
import type { ControlApp, ControlParts, GatewayAddress } from '../api/control-parts.ts';

const admission = { roles: ['owner', 'security', 'soc', 'auditor'], scope: 'gateways:read' } as const;
/** They show how a gateway does, and nothing about people. */
const config = { ...admission, isRecorded: false };

const plain = { content: { 'text/plain': { schema: Type.String() } } };
const readiness = {
  content: {
    'application/json': {
      schema: Type.Object({
        ready: Type.Boolean(),
        waitingFor: Type.Array(Type.String()),
        troubles: Type.Optional(Type.Array(Type.String())),
      }),
    },
  },
};
const endpoints: Readonly<Record<string, { readonly summary: string; readonly response: object }>> = {
  '/metrics': { summary: 'Metrics of a gateway, for Prometheus', response: { 200: plain } },
  '/healthz': { summary: 'Whether a gateway runs', response: { 200: plain } },
  '/readyz': {
    summary: 'Whether a gateway lets flows pass, and what it waits for',
    response: { 200: readiness, 503: readiness },
  },
};

/** What an operator endpoint answers with; anything else is shown as plain text, so that no page of its runs here. */
const types = /^(?:text\/plain|application\/json|application\/openmetrics-text)(?:$|;)/;

/**
 * GET /v1/gateways, and GET /v1/gateways/:id/metrics, /healthz and /readyz, passed on to the operator endpoints of the
 * gateways that the settings name: to those addresses, these paths, without a query, and with nothing that the client sent
 * but what it accepts. Their answers are untrusted input.
 */
export async function gatewayRoutes(app: ControlApp, { gateways }: ControlParts): Promise<void> {
  app.get(
    '/v1/gateways',
    {
      config,
      schema: {
        summary: 'The gateways whose operator endpoints can be read here',
        tags: ['gateways'],
        response: { 200: GatewayList },
      },
    },
    async () => ({ gateways: gateways().map((gateway) => ({ ...gateway })) }),
  );

  const find = (id: string): GatewayAddress => {
    const gateway = gateways().find((known) => known.id === id);
    if (gateway === undefined) throw new GatewayError('not-found', { detail: `there is no gateway ${id}` });
    return gateway;
  };
  const idOf = ({ params }: { readonly params: unknown }): string => (params as { id: string }).id;

  await app.register(async (scope) => {
    // The library adds the routes; it has no place for what describes them.
    scope.addHook('onRoute', (route) => {
      route.schema = {
        tags: ['gateways'],
        params: Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) }),
        ...endpoints[route.url.slice(route.url.lastIndexOf('/'))],
      };
    });
    scope.addHook('preHandler', async (request) => {
      find(idOf(request));
    });
    await scope.register(httpProxy, {
      prefix: '/v1/gateways/:id',
      routes: Object.keys(endpoints),
      httpMethods: ['GET'],
      upstream: '',
      proxyPayloads: false,
      // A cache of addresses by a key that two addresses can share leads to the wrong one (GHSA-v574-6498-x57v).
      disableCache: true,
      disableRequestLogging: true,
      undici: {
        headersTimeout: 5000,
        bodyTimeout: 5000,
        connect: { timeout: 2000 },
        maxResponseSize: 33_554_432,
      },
      config: { ...config, refusals: ['not-found', 'gateway-unreachable'] },
      replyOptions: {
        getUpstream: (request) => find(idOf(request)).operator,
        queryString: () => '',
        // Not ready is an answer; asking on until it is another would hide it.
        retryDelay: () => null,
        rewriteRequestHeaders: (_request, { host, accept }) => ({ host, accept: accept ?? '*/*' }),
        rewriteHeaders: ({ 'content-type': type = '', 'content-length': length }) => ({
          'content-type': types.test(type) ? type : 'text/plain; charset=utf-8',
          ...(length === undefined ? {} : { 'content-length': length }),
        }),
        onError: (reply, { error }) => {
          void reply.send(new GatewayError('gateway-unreachable', { detail: error.message }));
        },
      },
    });
  });
}
