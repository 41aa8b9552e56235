import { randomBytes } from 'node:crypto';
import type { ServerOptions } from 'node:https';
import swagger from '@fastify/swagger';
import Fastify, { LogController } from 'fastify';
import type { FastifyBaseLogger, FastifyServerOptions } from 'fastify';
import { guardAdministration } from '../administration.ts';
import { checkContentType } from './content-type.ts';
import type { ControlApp, ControlParts } from './control-parts.ts';
import { describeConfig, describeRefusals } from './describe-routes.ts';
import { answerClientError, refuseUnknownRoutes } from './framework-problems.ts';
import { honorIdempotencyKeys } from './idempotency.ts';
import { openApiDocument } from './openapi-document.ts';
import { parseStrictJson } from './parse-json.ts';
import { refuseIdlePrecondition } from './preconditions.ts';
import { sendProblem } from './problem-handler.ts';
import { createRateLimiters } from './rate-limits.ts';
import { recordReads } from '../records/record-reads.ts';
import { orThrow } from './refused.ts';
import { accessLogRoute } from '../routes/access-log.ts';
import { apiKeyRoutes } from '../routes/api-keys.ts';
import { createResourceHistory } from '../changes/resource-history.ts';
import { changeRoutes } from '../routes/changes.ts';
import { applyRoute } from '../routes/apply.ts';
import { backchannelLogoutRoute } from '../routes/backchannel-logout.ts';
import { deviceBundleRoute } from '../routes/device-bundles.ts';
import { deviceConfigRoute } from '../routes/device-config.ts';
import { deviceLeaveRoute } from '../routes/device-leave.ts';
import { deviceRenewRoute } from '../routes/device-renew.ts';
import { administratorSignInRoutes, administratorSignOutRoute } from '../routes/administrator-sign-in.ts';
import { browserSignInRoutes } from '../routes/browser-sign-in.ts';
import { deviceSignInRoutes } from '../routes/device-sign-in.ts';
import { deviceTokenRoute } from '../routes/device-token.ts';
import { deviceRoutes } from '../routes/devices.ts';
import { enrollRoute } from '../routes/enroll.ts';
import { enrollmentTokenRoutes } from '../routes/enrollment-tokens.ts';
import { flowRoutes } from '../routes/flows.ts';
import { blastRadiusRoute } from '../routes/flows-blast-radius.ts';
import { flowTailRoute } from '../routes/flows-tail.ts';
import { gatewayRoutes } from '../routes/gateways.ts';
import { homeRoute } from '../routes/home.ts';
import { jwksRoute } from '../routes/jwks.ts';
import { openApiRoute } from '../routes/openapi.ts';
import { peopleRoutes } from '../routes/people.ts';
import { revocationListRoutes } from '../routes/revocation-lists.ts';
import { scepRoutes } from '../routes/scep.ts';
import { resourceRoutes } from '../routes/resources.ts';
import { versionRoutes } from '../routes/versions.ts';
import { whyRoute } from '../routes/why.ts';

export interface ControlOptions {
  /** Without it the app is for `inject` alone. */
  readonly tls?: ServerOptions;
  readonly logger?: FastifyBaseLogger;
}

const maxBodyBytes = 1_048_576;

/** The API of the control plane, ready to listen. Closing it lets requests in flight end. */
export async function buildControl(parts: ControlParts, options: ControlOptions = {}): Promise<ControlApp> {
  const common = {
    ...(options.logger === undefined ? { logger: false } : { loggerInstance: options.logger }),
    // What matters of a request its route says; the rest is noise with addresses of people in it.
    logController: new LogController({ disableRequestLogging: true }),
    // An address or a name in a forwarded header is whatever the client likes (CVE-2026-3635).
    trustProxy: false,
    requestIdHeader: false,
    genReqId: () => randomBytes(12).toString('base64url'),
    bodyLimit: maxBodyBytes,
    requestTimeout: 30_000,
    connectionTimeout: 60_000,
    keepAliveTimeout: 30_000,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: 128, caseSensitive: true },
    // Bodies are bounded, so telling all that is wrong with one costs little.
    ajv: {
      customOptions: { removeAdditional: false, coerceTypes: false, useDefaults: false, allErrors: true },
    },
    forceCloseConnections: 'idle',
    clientErrorHandler: answerClientError,
    frameworkErrors: sendProblem,
  } satisfies FastifyServerOptions;
  const app = (options.tls === undefined
    ? Fastify(common)
    : Fastify({ ...common, https: options.tls })) as unknown as ControlApp;

  app.decorateRequest('administrator', undefined);
  app.decorateRequest('signInAgain', undefined);
  app.decorateRequest('readTarget', undefined);
  app.decorateRequest('shown', undefined);
  app.decorateRequest('idempotency', undefined);
  app.decorateRequest('device', undefined);
  app.setErrorHandler((error, request, reply) => sendProblem(error, request, reply));
  refuseUnknownRoutes(app);

  // A route takes one media type, by one parser.
  app.removeContentTypeParser('text/plain');
  parseStrictJson(app);
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
    });
    orThrow(checkContentType(request.raw, request.routeOptions.config.mediaType));
  });

  await app.register(swagger, {
    openapi: openApiDocument,
    transform: ({ url, route }) => ({ url, schema: describeConfig(route) }),
    transformObject: (document) =>
      'openapiObject' in document ? describeRefusals(document.openapiObject) : document.swaggerObject,
  });
  await app.register(async (open) => {
    const scope = open as unknown as ControlApp;
    homeRoute(scope);
    openApiRoute(scope);
    jwksRoute(scope, parts);
    revocationListRoutes(scope, parts);
    enrollRoute(scope, parts);
    deviceRenewRoute(scope, parts);
    deviceSignInRoutes(scope, parts);
    browserSignInRoutes(scope, parts);
    administratorSignInRoutes(scope, parts);
    deviceTokenRoute(scope, parts);
    deviceConfigRoute(scope, parts);
    deviceLeaveRoute(scope, parts);
  });
  await app.register(async (forms) => {
    backchannelLogoutRoute(forms, parts);
  });
  await app.register(async (messages) => {
    scepRoutes(messages, parts);
  });
  await app.register(async (administration) => {
    const scope = administration as unknown as ControlApp;
    const limiters = createRateLimiters(parts);
    scope.addHook('onRequest', limiters.perAddress);
    const guarded = guardAdministration(scope, parts);
    scope.addHook('onRequest', limiters.perAdministrator);
    scope.addHook('onRequest', refuseIdlePrecondition);
    honorIdempotencyKeys(scope, parts);
    recordReads(scope, parts);
    applyRoute(scope, parts);
    resourceRoutes(scope, parts);
    changeRoutes(scope, parts);
    deviceRoutes(scope, parts);
    enrollmentTokenRoutes(scope, parts);
    deviceBundleRoute(scope, parts);
    versionRoutes(scope, parts, createResourceHistory(parts.store));
    whyRoute(scope, parts);
    apiKeyRoutes(scope, parts, guarded);
    accessLogRoute(scope, parts);
    flowRoutes(scope, parts);
    peopleRoutes(scope, parts);
    flowTailRoute(scope, parts);
    blastRadiusRoute(scope, parts);
    await gatewayRoutes(scope, parts);
    administratorSignOutRoute(scope, parts);
  });
  await app.ready();
  return app;
}
