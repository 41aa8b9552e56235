import { request } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { Static, TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { agentVersion } from '../version.ts';
import { describeError } from '../agent-error.ts';
import { keyFailure, KeyUnusable } from '../keys/client-context.ts';
import { connectVerified, UntrustedPeer } from './verified-connection.ts';
import type { Trust } from './verified-connection.ts';
import { parseProblem } from './problem.ts';
import type { PeerProblem } from './problem.ts';

const maxAnswerBytes = 8 * 1024 * 1024;

/** Nothing answered: no name, no route, refused, broken off, or not in time. */
export class ControlUnreachable extends Error {
  override readonly name = 'ControlUnreachable';
  constructor(cause: unknown) {
    super(describeError(cause), { cause });
  }
}

/** Something answered that is not the control plane of this laptop, or does not speak as one does. */
export class ControlForeign extends Error {
  override readonly name = 'ControlForeign';
  /** Whether it proved its name to the authority of this laptop: then it is ours, and what stands in front of it is wrong. */
  readonly isProven: boolean;
  constructor(cause: unknown, { isProven }: { readonly isProven: boolean }) {
    super(describeError(cause), { cause });
    this.isProven = isProven;
  }
}

/** It answered that it cannot, for a reason of its own. */
export class ControlUnable extends Error {
  override readonly name = 'ControlUnable';
  readonly problem: PeerProblem;
  constructor(problem: PeerProblem) {
    super(problem.title);
    this.problem = problem;
  }
}

/** It answered no. */
export class ControlRefused extends Error {
  override readonly name = 'ControlRefused';
  readonly problem: PeerProblem;
  constructor(problem: PeerProblem) {
    super(problem.title);
    this.problem = problem;
  }
}

/** What kept a verified connection from being made. What does not speak TLS, or not 1.3, is not the control plane either. */
export function connectionFailure(error: unknown): ControlForeign | ControlUnreachable | KeyUnusable {
  if (error instanceof KeyUnusable) return error;
  return error instanceof UntrustedPeer || codeOf(error).startsWith('ERR_SSL_')
    ? new ControlForeign(error, { isProven: false })
    : new ControlUnreachable(error);
}

/** Garbage where the control plane's HTTP should be has a code of the parser. */
const exchangeFailure = (error: unknown): ControlForeign | ControlUnreachable =>
  error instanceof AnswerTooLarge || codeOf(error).startsWith('HPE_')
    ? new ControlForeign(error, { isProven: true })
    : new ControlUnreachable(error);

const codeOf = (error: unknown): string => (error as { code?: string }).code ?? '';

class AnswerTooLarge extends Error {
  override readonly message = 'answer too large';
}

export type ControlTarget = Trust & {
  /** Origin, such as https://control.example.org:8444. */
  readonly url: string;
  /** For the whole exchange, handshake included. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
};

/** Where to connect for an https origin; an IPv6 address without its brackets. */
export const controlAddress = (origin: URL): { host: string; port: number } => ({
  host: origin.hostname.replace(/^\[|\]$/g, ''),
  port: origin.port === '' ? 443 : Number(origin.port),
});

/**
 * One request to the control plane over a connection of its own: a few an hour are not worth a pool, and each finds
 * the newest certificate. The answer is checked against its schema; what does not fit is not the control plane's.
 * @throws ControlUnreachable, ControlForeign, ControlUnable, ControlRefused, KeyUnusable
 */
export async function callControl<Schema extends TSchema>(
  target: ControlTarget,
  method: 'GET' | 'POST',
  path: string,
  body: unknown,
  schema: Schema,
): Promise<Static<Schema>> {
  const origin = new URL(target.url);
  const timeoutMs = target.timeoutMs ?? 15_000;
  const socket = await connectVerified(controlAddress(origin), {
    ...(target.client === undefined ? { authorityPem: target.authorityPem } : { client: target.client }),
    protocol: 'http/1.1',
    timeoutMs,
    ...(target.signal === undefined ? {} : { signal: target.signal }),
  }).catch((error: unknown) => {
    throw connectionFailure(error);
  });
  const answer = await exchange(socket, origin, method, path, body, timeoutMs, target.signal).catch(
    (error: unknown) => {
      throw exchangeFailure(error);
    },
  );
  try {
    return readAnswer(answer, schema);
  } catch (error) {
    throw keyFailure(target.client, error) ?? error;
  }
}

interface ControlAnswer {
  readonly status: number;
  readonly mediaType: string;
  readonly text: string;
}

function readAnswer<Schema extends TSchema>(
  { status, mediaType, text }: ControlAnswer,
  schema: Schema,
): Static<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (status >= 200 && status < 300 && Value.Check(schema, value)) return value;
  const problem = parseProblem(status, value);
  // Any server says 404 or 502; one of ours says with a code why.
  if (status < 400 || problem.code === 'unknown')
    throw new ControlForeign(new Error(`HTTP ${status}, ${mediaType}`), { isProven: true });
  // A refusal is a stable code with its status; 5xx is a control plane that is ill, not one that says no.
  throw status >= 500 ? new ControlUnable(problem) : new ControlRefused(problem);
}

function exchange(
  socket: TLSSocket,
  origin: URL,
  method: string,
  path: string,
  body: unknown,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<ControlAnswer> {
  const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  return new Promise((resolve, reject) => {
    const ended = AbortSignal.any([
      AbortSignal.timeout(timeoutMs),
      ...(signal === undefined ? [] : [signal]),
    ]);
    const fail = (error: Error): void => {
      socket.destroy();
      reject(error);
    };
    const outgoing = request({
      // With this and no agent, no proxy of the environment comes in between: it could lead back to ourselves.
      createConnection: () => socket,
      method,
      path,
      signal: ended,
      headers: {
        host: origin.host,
        accept: 'application/json, application/problem+json',
        'user-agent': `postern-agent/${agentVersion}`,
        ...(payload === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': String(payload.length) }),
      },
    });
    outgoing.once('error', fail);
    outgoing.once('response', (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      response.on('data', (chunk: Buffer) => {
        length += chunk.length;
        if (length > maxAnswerBytes) return fail(new AnswerTooLarge());
        chunks.push(chunk);
      });
      response.once('error', fail);
      response.once('end', () => {
        socket.destroy();
        const [mediaType = ''] = (response.headers['content-type'] ?? '').split(';');
        resolve({
          status: response.statusCode ?? 0,
          mediaType: /^[\w.+/-]{1,100}$/.test(mediaType) ? mediaType : 'no media type',
          text: Buffer.concat(chunks).toString('utf8'),
        });
      });
    });
    outgoing.end(payload);
  });
}
