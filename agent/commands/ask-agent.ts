import { get } from 'node:http';
import type { Static, TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { AgentError, describeError } from '../agent-error.ts';
import type { LockHolder } from '../state/lock.ts';
import type { CommandContext } from './command-context.ts';

/**
 * Asks the agent that runs, on its local port.
 * @throws AgentError with exit code 3 when it does not answer in time, or with something else than the schema says.
 */
export async function askAgent<Schema extends TSchema>(
  { language }: CommandContext,
  { pid, port }: LockHolder,
  path: string,
  schema: Schema,
  limitMs: number,
): Promise<Static<Schema>> {
  let answer: unknown;
  try {
    answer = await fetchJson(port, path, language, limitMs);
  } catch (error) {
    throw new AgentError(3, 'agent-not-answering', { pid, reason: describeError(error) }, error);
  }
  if (Value.Check(schema, answer)) return answer;
  throw new AgentError(3, 'agent-not-answering', { pid, reason: 'answer not understood' });
}

function fetchJson(port: number, path: string, language: string, limitMs: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const request = get(
      {
        host: '127.0.0.1',
        port,
        path,
        headers: { 'accept-language': language },
        agent: false,
        signal: AbortSignal.timeout(limitMs),
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () => {
          try {
            resolve(JSON.parse(Buffer.concat(chunks).toString('utf8')));
          } catch (error) {
            reject(error);
          }
        });
      },
    );
    request.once('error', reject);
  });
}
