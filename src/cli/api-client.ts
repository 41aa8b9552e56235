import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { Agent, request } from 'undici';
import { Type } from 'typebox';
import type { Static, TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { CliError, exitCodes } from './cli-error.ts';
import type { ExitCode } from './cli-error.ts';
import { contextPath, readContext } from './context-file.ts';
import type { Context } from './context-file.ts';
import { printable } from './terminal/output.ts';

export interface ConnectionOptions {
  readonly server?: string;
  readonly apiKey?: string;
  readonly ca?: string;
}

export const addConnection = (command: Command): Command =>
  command
    .option('--server <url>', 'control plane (or POSTERN_SERVER, or the context file)')
    .option('--api-key <key>', 'API key (or POSTERN_API_KEY, or the context file)')
    .option('--ca <file>', 'PEM file of the root that the server must be below (or POSTERN_CA)');

type Method = 'GET' | 'POST' | 'DELETE';

export interface ApiClient {
  readonly server: string;
  /** @throws CliError: exit code 1 for a no, 2 for input that is not valid, 3 for a server that cannot be asked. */
  call<Schema extends TSchema>(
    method: Method,
    path: string,
    schema: Schema,
    body?: unknown,
  ): Promise<Static<Schema>>;
  /** The same, with the entity tag of the answer, and done only where `ifMatch` still is the one. */
  callTagged<Schema extends TSchema>(
    method: Method,
    path: string,
    schema: Schema,
    options: { readonly body?: unknown; readonly ifMatch?: string },
  ): Promise<{ readonly value: Static<Schema>; readonly etag: string | undefined }>;
}

const Problem = Type.Object({
  code: Type.String(),
  title: Type.String(),
  help: Type.Optional(Type.String()),
  detail: Type.Optional(Type.String()),
  problems: Type.Optional(Type.Array(Type.String())),
});

/** A refusal by the server, for commands that say more about one than its title. */
export class ApiRefusal extends CliError {
  readonly code: string;
  constructor(exitCode: ExitCode, problem: Static<typeof Problem>) {
    const { code, title, help, detail, problems = [] } = problem;
    const text = [detail === undefined ? title : `${title}: ${detail}`, help].filter(
      (part) => part !== undefined,
    );
    super(exitCode, printable(text.join('. ')), problems.map(printable));
    this.code = code;
  }
}

/** By what the answer means to a script: input that could never work, a no, or a server that is ill. */
function exitCodeOf(status: number): ExitCode {
  if (status >= 500) return exitCodes.unreachable;
  return [400, 401, 404, 405, 413, 414, 431].includes(status) ? exitCodes.invalid : exitCodes.no;
}

/** The client for the server that options, environment or context file name, in this order. */
export async function connectApi(options: ConnectionOptions): Promise<ApiClient> {
  return createApiClient(await resolveApi(options));
}

/** Where that server is and what it is shown. @throws CliError */
export async function resolveApi(options: ConnectionOptions): Promise<ApiTarget> {
  const target = await resolveKnownApi(options);
  if (target === undefined)
    throw new CliError(exitCodes.invalid, 'no server is known: give --server URL or set POSTERN_SERVER');
  return target;
}

/** The same for commands that can do without: undefined where nothing names a server. */
export async function connectKnownApi(options: ConnectionOptions): Promise<ApiClient | undefined> {
  const target = await resolveKnownApi(options);
  return target === undefined ? undefined : createApiClient(target);
}

async function resolveKnownApi(options: ConnectionOptions): Promise<ApiTarget | undefined> {
  const { env } = process;
  const context = await readContext(contextPath());
  const server = options.server ?? env['POSTERN_SERVER'] ?? context.server;
  const apiKey = options.apiKey ?? env['POSTERN_API_KEY'] ?? loginOf(context, server) ?? context.apiKey;
  if (server === undefined) return undefined;
  if (apiKey === undefined)
    throw new CliError(
      exitCodes.invalid,
      'no API key is known: give --api-key KEY, set POSTERN_API_KEY, or sign in with postern login',
    );
  const origin = parseServer(server);
  const caFile = options.ca ?? env['POSTERN_CA'];
  const ca = caFile === undefined ? context.ca : await readCa(caFile);
  return { origin, apiKey, ca };
}

/**
 * The token of whoever signed in at this server. One that is over is not passed over for an API key that may do more.
 * @throws CliError
 */
function loginOf({ login, server: known }: Context, server: string | undefined): string | undefined {
  if (login === undefined || server === undefined || parseServer(server) !== known) return undefined;
  if (login.expiresAt * 1000 > Date.now()) return login.token;
  throw new CliError(
    exitCodes.no,
    `the sign-in of ${login.user} is over: sign in again with postern login, or forget it with postern logout`,
  );
}

/** The server that options, environment or context file name, for whoever has no credentials yet. @throws CliError */
export async function resolveServer(options: {
  readonly server?: string;
  readonly ca?: string;
}): Promise<Omit<ApiTarget, 'apiKey'>> {
  const { env } = process;
  const context = await readContext(contextPath());
  const server = options.server ?? env['POSTERN_SERVER'] ?? context.server;
  if (server === undefined)
    throw new CliError(exitCodes.invalid, 'no server is known: give --server URL or set POSTERN_SERVER');
  const caFile = options.ca ?? env['POSTERN_CA'];
  return { origin: parseServer(server), ca: caFile === undefined ? context.ca : await readCa(caFile) };
}

/** Where the control plane is, how it is proven, and what we show it. `ca` is PEM. */
export interface ApiTarget {
  readonly origin: string;
  /** Absent for what strangers may ask. */
  readonly apiKey: string | undefined;
  readonly ca: string | undefined;
}

export function createApiClient(target: ApiTarget): ApiClient {
  const { origin } = target;
  const callTagged: ApiClient['callTagged'] = async (method, path, schema, options) => {
    const answer = await exchange(target, method, path, options);
    const value = parseJson(answer.text);
    if (answer.status >= 200 && answer.status < 300 && Value.Check(schema, value))
      return { value, etag: answer.etag };
    throw refusalOf(answer.status, answer.text, origin);
  };
  return {
    server: origin,
    callTagged,
    async call(method, path, schema, body) {
      const { value } = await callTagged(method, path, schema, body === undefined ? {} : { body });
      return value;
    },
  };
}

/** What an answer that is not the one that was asked for means. */
export function refusalOf(status: number, text: string, origin: string): CliError {
  const value = parseJson(text);
  if (status >= 400 && Value.Check(Problem, value)) return new ApiRefusal(exitCodeOf(status), value);
  return new CliError(
    exitCodes.unreachable,
    `${origin} answered ${status} in a way that is not the control plane's; is it the right address, and of this version?`,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Every item of a list, page by page; `wanted` narrows each page alike. */
export async function listAll<Item>(
  fetchPage: (query: string) => Promise<{ readonly items: readonly Item[]; readonly next?: string }>,
  wanted: Readonly<Record<string, string>> = {},
): Promise<Item[]> {
  const all: Item[] = [];
  const query = new URLSearchParams(wanted);
  for (;;) {
    const { items, next } = await fetchPage(query.size === 0 ? '' : `?${query.toString()}`);
    all.push(...items);
    if (next === undefined) return all;
    query.set('cursor', next);
  }
}

function parseServer(text: string): string {
  const url = URL.parse(text);
  if (
    url === null ||
    url.protocol !== 'https:' ||
    url.username !== '' ||
    url.password !== '' ||
    url.pathname !== '/' ||
    url.search !== ''
  )
    throw new CliError(
      exitCodes.invalid,
      `not the address of a control plane: ${text}; write https://HOST:PORT`,
    );
  return url.origin;
}

async function readCa(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new CliError(exitCodes.invalid, `${path} cannot be read: ${(error as Error).message}`);
  }
}

const maxAnswerBytes = 64 * 1024 * 1024;

interface Exchanged {
  readonly status: number;
  readonly text: string;
  readonly etag: string | undefined;
}

/** What a connection ends with that a server or a proxy closed under a request. */
const brokenOff = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);

/**
 * One request and its answer. A connection that breaks off leaves open whether a change was made, so it is asked again
 * once, with the same idempotency key: the server does it once, and answers what it did.
 */
async function exchange(
  target: ApiTarget,
  method: Method,
  path: string,
  options: { readonly body?: unknown; readonly ifMatch?: string },
): Promise<Exchanged> {
  const { body, ifMatch } = options;
  const agent = new Agent({
    connect: {
      ...(target.ca === undefined ? {} : { ca: target.ca }),
      minVersion: 'TLSv1.3',
      timeout: 10_000,
    },
    headersTimeout: 60_000,
    bodyTimeout: 60_000,
    maxResponseSize: maxAnswerBytes,
  });
  const headers = {
    accept: 'application/json, application/problem+json',
    ...(target.apiKey === undefined ? {} : { authorization: `Bearer ${target.apiKey}` }),
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }),
    ...(method === 'GET' ? {} : { 'idempotency-key': randomUUID() }),
  };
  const attempt = async (): Promise<Exchanged> => {
    const response = await request(`${target.origin}${path}`, {
      dispatcher: agent,
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const etag = response.headers['etag'];
    return {
      status: response.statusCode,
      text: await response.body.text(),
      etag: typeof etag === 'string' ? etag : undefined,
    };
  };
  try {
    return await attempt().catch((error: unknown) => {
      if (brokenOff.has((error as { code?: string }).code ?? '')) return attempt();
      throw error;
    });
  } catch (error) {
    throw new CliError(exitCodes.unreachable, describeFailure(error, target.origin));
  } finally {
    await agent.destroy();
  }
}

const untrusted = new Set([
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_SIGNATURE_FAILURE',
]);

/** What was wrong on the way, and what to do about it. */
export function describeFailure(error: unknown, origin: string): string {
  const { code = '', name, message = String(error) } = error as Partial<NodeJS.ErrnoException>;
  if (code === 'ECONNREFUSED') return `nothing listens at ${origin}: is \`postern serve\` running there?`;
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `the name in ${origin} cannot be resolved`;
  if (code === 'UND_ERR_CONNECT_TIMEOUT') return `${origin} did not answer in time`;
  if (untrusted.has(code))
    return `the server at ${origin} is not proven by the root that this command trusts: give its root with --ca FILE`;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `the certificate of ${origin} bears other names: use one of them, or add this one to control.names in postern.yaml`;
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID')
    return `the certificate of ${origin} is not valid now: check the clocks of this machine and of the server`;
  if (code.startsWith('ERR_SSL_') || code === 'EPROTO')
    return `what answers at ${origin} does not speak TLS as the control plane does: is it the right port? (${code})`;
  if (name === 'HTTPParserError')
    return `what answers at ${origin} does not speak HTTP as the control plane does: is it the right port?`;
  return `${origin} cannot be reached: ${printable(message)}${code === '' ? '' : ` (${code})`}`;
}
