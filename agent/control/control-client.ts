import { request } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { Static, TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { agentVersion } from '../version.ts';
import { describeError } from '../agent-error.ts';
import { connectVerified, UntrustedPeer } from './verified-connection.ts';
import { parseProblem } from './problem.ts';
import type { PeerProblem } from './problem.ts';

const maxAnswerBytes = 8 * 1024 * 1024;

/** The control plane could not be asked: no network, no answer, or not proven to be ours. */
export class ControlUnreachable extends Error {
  override readonly name = 'ControlUnreachable';
  /** True when something answered that is not our control plane. */
  readonly untrusted: boolean;
  constructor(cause: unknown) {
    super(describeError(cause), { cause });
    this.untrusted = cause instanceof UntrustedPeer;
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

export interface ControlTarget {
  /** Origin, such as https://control.example.org:8444. */
  readonly url: string;
  readonly authorityPem: string;
  readonly client?: { readonly chainPem: string; readonly keyPem: string };
  /** For the whole exchange, handshake included. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Where to connect for an https origin; an IPv6 address without its brackets. */
export const controlAddress = (origin: URL): { host: string; port: number } => ({
  host: origin.hostname.replace(/^\[|\]$/g, ''),
  port: origin.port === '' ? 443 : Number(origin.port),
});

/**
 * One request to the control plane over a connection of its own: a few an hour are not worth a pool, and each finds
 * the newest certificate. The answer is checked against its schema; what does not fit counts as unreachable.
 * @throws ControlUnreachable, ControlRefused
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
  let answer: { status: number; text: string };
  try {
    const socket = await connectVerified(controlAddress(origin), {
      authorityPem: target.authorityPem,
      ...(target.client === undefined ? {} : { client: target.client }),
      protocol: 'http/1.1',
      timeoutMs,
      ...(target.signal === undefined ? {} : { signal: target.signal }),
    });
    answer = await exchange(socket, origin, method, path, body, timeoutMs, target.signal);
  } catch (error) {
    throw new ControlUnreachable(error);
  }
  let value: unknown;
  try {
    value = JSON.parse(answer.text);
  } catch {
    value = undefined;
  }
  if (answer.status >= 200 && answer.status < 300) {
    if (Value.Check(schema, value)) return value;
    throw new ControlUnreachable(new Error('answer not understood'));
  }
  const problem = parseProblem(answer.status, value);
  // A refusal is a stable code with its status; 5xx is a control plane that is ill, not one that says no.
  if (answer.status >= 500) throw new ControlUnreachable(new Error(problem.title));
  throw new ControlRefused(problem);
}

function exchange(
  socket: TLSSocket,
  origin: URL,
  method: string,
  path: string,
  body: unknown,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<{ status: number; text: string }> {
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
        if (length > maxAnswerBytes) return fail(new Error('answer too large'));
        chunks.push(chunk);
      });
      response.once('error', fail);
      response.once('end', () => {
        socket.destroy();
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') });
      });
    });
    outgoing.end(payload);
  });
}
