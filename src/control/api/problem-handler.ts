import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { pagePolicy } from '../../contract/page-style.ts';
import { prefersFrench } from '../../contract/person-page.ts';
import { renderProblemPage, wantsPage } from '../../contract/problem-page.ts';
import { buildProblem, refusals } from '../../contract/refusals.ts';
import type { RefusalCode } from '../../contract/refusals.ts';

/** Codes for what the framework itself refuses, by status. */
const codesByStatus: Readonly<Record<number, RefusalCode>> = {
  400: 'invalid-input',
  404: 'not-found',
  405: 'method-not-allowed',
  408: 'request-timeout',
  413: 'content-too-large',
  414: 'uri-too-long',
  415: 'content-type-malformed',
  431: 'headers-too-large',
  503: 'shutting-down',
};

/** Errors of the ledger, known by name: what is thrown may come from any implementation. */
const codesByName: Readonly<Record<string, RefusalCode>> = {
  LedgerUnavailable: 'store-unavailable',
  LedgerUnconfirmed: 'change-unknown',
  LedgerConflict: 'conflict',
  LedgerCorrupt: 'store-unavailable',
};

/** To do again what was answered so could be to do it twice. */
const maybeDone: ReadonlySet<RefusalCode> = new Set([
  'change-unconfirmed',
  'change-unknown',
  'internal-error',
]);

/** What the framework says of a body that it could not even read. */
const bodyProblems: Readonly<Record<string, string>> = {
  FST_ERR_CTP_EMPTY_JSON_BODY: 'body: is empty; send JSON',
  FST_ERR_CTP_INVALID_JSON_BODY: 'body: is no JSON, or not all of it',
};

interface ValidationProblem {
  readonly instancePath: string;
  readonly keyword: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly message?: string;
}

/** As a person reads it: `body.resources.0.kind: must be string`, and for a key that does not belong, that key. */
function describeValidation(context: string, problem: ValidationProblem): string {
  const path = [context, ...problem.instancePath.split('/').slice(1)];
  const { additionalProperty, missingProperty } = problem.params;
  if (problem.keyword === 'additionalProperties')
    return `${[...path, String(additionalProperty)].join('.')}: unknown key`;
  if (problem.keyword === 'required') return `${[...path, String(missingProperty)].join('.')}: missing`;
  return `${path.join('.')}: ${problem.message ?? 'not valid'}`;
}

const maxProblems = 1000;

interface Rendered {
  readonly code: RefusalCode;
  readonly problems: readonly string[];
  readonly detail: string | undefined;
}

/** By the fields that an error has, never by its class: errors of every library come here. */
function read(error: Partial<FastifyError> & { problems?: unknown; detail?: unknown }): Rendered {
  const { code, statusCode, validation, validationContext, name, problems, detail } = error;
  if (validation !== undefined)
    return {
      code: 'invalid-input',
      problems: validation.map((problem) => describeValidation(validationContext ?? 'body', problem)),
      detail: undefined,
    };
  if (typeof code === 'string' && Object.hasOwn(refusals, code))
    return {
      code: code as RefusalCode,
      problems: Array.isArray(problems) ? problems.map(String) : [],
      detail: typeof detail === 'string' ? detail : undefined,
    };
  const byName = name === undefined ? undefined : codesByName[name];
  if (byName !== undefined) return { code: byName, problems: [], detail: undefined };
  // `statusCode` of 500 and above would only say that something else went wrong.
  const byStatus = statusCode === undefined ? undefined : codesByStatus[statusCode];
  const body = code === undefined ? undefined : bodyProblems[code];
  return {
    code: byStatus ?? 'internal-error',
    problems: body === undefined ? [] : [body],
    detail: undefined,
  };
}

/**
 * Renders every refusal and error as problem details (RFC 9457). An administrator learns what exactly was wrong;
 * anyone else gets the code and what to do, since the detail could tell a stranger which tokens and devices exist.
 */
export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const { code, problems, detail } = read(typeof error === 'object' && error !== null ? error : {});
  if (maybeDone.has(code) && request.idempotency !== undefined) request.idempotency.mayBeDone = true;
  const isOfStore = code === 'store-unavailable' || maybeDone.has(code);
  const level = code === 'internal-error' ? 'error' : isOfStore ? 'warn' : 'info';
  request.log[level](
    { code, detail, ...(level === 'info' ? {} : { err: error }), path: request.routeOptions.url },
    'request refused',
  );
  const isAdmin = request.administrator !== undefined;
  const problem = {
    ...buildProblem(code, 'en', {
      flowId: request.id,
      ...(isAdmin && detail !== undefined ? { detail } : {}),
    }),
    ...(problems.length === 0 ? {} : { problems: problems.slice(0, maxProblems) }),
  };
  if (code === 'api-key-invalid' || code === 'api-key-expired' || code === 'administrator-token-invalid')
    reply.header('www-authenticate', 'Bearer realm="postern"');
  if (code === 'rate-limited' && !reply.hasHeader('retry-after')) reply.header('retry-after', '60');
  const mayBePage = request.routeOptions.config.isPage === true || request.is404;
  if (mayBePage && wantsPage(request.headers.accept)) {
    const language = prefersFrench(request.headers['accept-language']) ? 'fr' : 'en';
    const page = renderProblemPage(
      buildProblem(code, language, { flowId: request.id }),
      language,
      request.signInAgain,
    );
    reply
      .code(problem.status)
      .header('content-type', 'text/html; charset=utf-8')
      .header('content-language', language)
      .header('cache-control', 'no-store')
      .header('content-security-policy', pagePolicy)
      .send(page);
    return;
  }
  reply
    .code(problem.status)
    .header('content-type', 'application/problem+json')
    .header('cache-control', 'no-store')
    .serializer((value: unknown) => JSON.stringify(value))
    .send(problem);
}
