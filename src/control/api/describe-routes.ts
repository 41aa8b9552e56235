import type { RouteOptions } from 'fastify';
import { buildProblem, refusals } from '../../contract/refusals.ts';
import type { RefusalCode } from '../../contract/refusals.ts';
import { roles as allRoles } from '../../domain/administration.ts';

/** Of an OpenAPI document, what is added to here. */
interface Operation {
  security?: readonly Readonly<Record<string, unknown>>[];
  requestBody?: unknown;
  parameters?: { in: string; name: string; required?: boolean; description?: string; schema: object }[];
  responses: Record<string, { description: string; headers?: object; content?: object }>;
  'x-roles'?: readonly string[];
  'x-scope'?: string;
  'x-refusals'?: readonly RefusalCode[];
  'x-honors-if-match'?: boolean;
  'x-recorded'?: boolean;
}
type Paths = Record<string, Record<string, Operation>>;

/** What a route's `config` says, where the document keeps it until `describeRefusals` has read it. */
export function describeConfig({ schema, config }: Pick<RouteOptions, 'schema' | 'config'>): object {
  const { roles, scope, refusals: own, honorsIfMatch, isRecorded } = config ?? {};
  return {
    ...schema,
    ...(roles === undefined ? {} : { 'x-roles': [...roles] }),
    ...(scope === undefined ? {} : { 'x-scope': scope }),
    ...(own === undefined ? {} : { 'x-refusals': [...own] }),
    ...(honorsIfMatch === undefined ? {} : { 'x-honors-if-match': honorsIfMatch }),
    ...(isRecorded === undefined ? {} : { 'x-recorded': isRecorded }),
  };
}

/**
 * Adds what routes have in common and need not say one by one: the headers that changes can have, and every refusal that
 * their guards make. What only one route refuses is in the `refusals` of its `config`.
 */
export function describeRefusals<Document extends { paths?: unknown }>(document: Document): Document {
  const paths = (document.paths ?? {}) as Paths;
  for (const operations of Object.values(paths))
    for (const [method, operation] of Object.entries(operations)) {
      const facts = factsOf(method, operation);
      addHeaders(operation, facts);
      const codes = [...new Set([...refusalsOf(operation, facts), ...(operation['x-refusals'] ?? [])])];
      for (const status of [...new Set(codes.map((code) => refusals[code].status))].sort((a, b) => a - b))
        operation.responses[status] = problemResponse(
          codes.filter((code) => refusals[code].status === status),
        );
      operation.responses['default'] = problemResponse([]);
      delete operation['x-refusals'];
      delete operation['x-honors-if-match'];
      delete operation['x-recorded'];
    }
  return document;
}

interface Facts {
  readonly isAdministration: boolean;
  readonly isChange: boolean;
  readonly isRecorded: boolean;
  readonly honorsIfMatch: boolean;
}

function factsOf(method: string, operation: Operation): Facts {
  const scope = operation['x-scope'];
  return {
    isAdministration: scope !== undefined,
    isChange: method !== 'get' && scope?.endsWith(':write') === true,
    isRecorded: scope?.endsWith(':read') === true && operation['x-recorded'] !== false,
    honorsIfMatch: operation['x-honors-if-match'] === true,
  };
}

function refusalsOf(operation: Operation, facts: Facts): RefusalCode[] {
  const hasBody = operation.requestBody !== undefined;
  const hasQuery = operation.parameters?.some((parameter) => parameter.in === 'query') === true;
  const isOfDevice = operation.security?.some((scheme) => 'deviceCertificate' in scheme) === true;
  const { isAdministration, isChange, isRecorded, honorsIfMatch } = facts;
  const everyone = operation['x-roles']?.length === allRoles.length;
  const groups: readonly (readonly [boolean, readonly RefusalCode[]])[] = [
    [hasBody || hasQuery || isChange, ['invalid-input']],
    [hasBody, ['content-type-malformed', 'content-too-large']],
    [isOfDevice, ['certificate-missing']],
    [isAdministration, ['api-key-invalid', 'api-key-expired', 'scope-missing', 'rate-limited']],
    [isAdministration && !everyone, ['role-missing']],
    [isRecorded, ['access-log-unavailable']],
    [isChange, ['request-in-progress', 'idempotency-key-reused', 'store-unavailable']],
    [isChange, ['change-unconfirmed', 'change-unknown']],
    [honorsIfMatch, ['precondition-failed']],
  ];
  return groups.flatMap(([applies, codes]) => (applies ? codes : []));
}

function addHeaders(operation: Operation, { isChange, honorsIfMatch }: Facts): void {
  const header = (name: string, description: string): void => {
    operation.parameters ??= [];
    operation.parameters.push({
      in: 'header',
      name,
      required: false,
      description,
      schema: { type: 'string' },
    });
  };
  if (isChange) header('Idempotency-Key', 'the same request with the same key is done once, for a day');
  if (honorsIfMatch) header('If-Match', 'entity tags: what is changed must still have one of them');
}

const problemResponse = (codes: readonly RefusalCode[]): Operation['responses'][string] => ({
  description:
    codes.length === 0
      ? 'Any other refusal'
      : codes.map((code) => `\`${code}\`: ${refusals[code].title.en}`).join('; '),
  content: {
    'application/problem+json': {
      schema:
        codes.length === 0
          ? { $ref: problemReference }
          : { allOf: [{ $ref: problemReference }, { properties: { code: { enum: [...codes] } } }] },
    },
  },
});

const problemReference = '#/components/schemas/Problem';
const text = { type: 'string' } as const;

/** RFC 9457, with our members. */
export const problemSchema = {
  type: 'object',
  required: Object.keys(buildProblem('internal-error')),
  properties: {
    type: { type: 'string', description: 'urn:postern:refusal:CODE' },
    title: text,
    status: { type: 'integer' },
    code: { type: 'string', description: 'stable' },
    help: { type: 'string', description: 'what to do' },
    flow_id: { type: 'string', description: 'the request in the log' },
    detail: { type: 'string', description: 'for administrators' },
    problems: { type: 'array', items: text, description: 'all that is wrong with what was sent' },
  },
  additionalProperties: false,
} as const;
