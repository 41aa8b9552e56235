import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { fileURLToPath } from 'node:url';
import type { Installation } from '../../control/installation.ts';
import { descendants, start } from '../support/processes.ts';

const posternScript = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));
export const posternCommand = [process.execPath, posternScript] as const;

/** The real `postern serve` of an installation, on all cores, as a server has it. */
export interface RunningServer {
  readonly readyMs: number;
  readonly controlPort: number;
  readonly gatewayPort: number;
  /** Supervisor, control process and workers. */
  readonly pids: () => readonly number[];
  readonly stop: () => Promise<void>;
}

export async function serve(installation: Pick<Installation, 'configFile'>): Promise<RunningServer> {
  const before = performance.now();
  const server = await start(
    'all',
    [...posternCommand, 'serve', '--config', installation.configFile, '--workers', '1'],
    { ready: /^ready.*$/m },
  );
  const readyMs = performance.now() - before;
  const portOf = (what: string): number =>
    Number(new RegExp(`${what}=\\S*?:(\\d+)`).exec(server.output)?.[1]);
  return {
    readyMs,
    controlPort: portOf('control'),
    gatewayPort: portOf('gateway'),
    pids: () => [server.pid, ...descendants(server.pid)],
    stop: server.stop,
  };
}

/** Bytes of memory that processes have between them: what they share counts once. */
export function proportionalBytes(pids: readonly number[]): number {
  const kibibytes = pids.map((pid) =>
    Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'))?.[1] ?? 0),
  );
  return kibibytes.reduce((sum, each) => sum + each, 0) * 1024;
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** Somebody with a connection of their own. */
export interface Administrator {
  call(method: string, path: string, body?: unknown): Promise<Answer>;
  close(): void;
}

/** `localAddress` is where it comes from: a server bounds what one address may open. */
export function administrator(who: {
  readonly port: number;
  readonly rootPem: string;
  readonly apiKey?: string;
  readonly certificate?: { readonly cert: string; readonly key: string };
  readonly localAddress?: string;
}): Administrator {
  const { port, rootPem, apiKey, certificate, localAddress = '127.0.0.1' } = who;
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: rootPem, localAddress, ...certificate });
  return {
    close: () => agent.destroy(),
    call: (method, path, body) =>
      new Promise((resolve, reject) => {
        const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
        const outgoing = request(
          {
            host: '127.0.0.1',
            port,
            method,
            path,
            agent,
            headers: {
              ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
              ...(payload === undefined
                ? {}
                : { 'content-type': 'application/json', 'content-length': payload.length }),
            },
          },
          (response) => {
            let text = '';
            response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
            response.on('end', () =>
              resolve({ status: response.statusCode ?? 0, body: text === '' ? undefined : JSON.parse(text) }),
            );
          },
        );
        outgoing.on('error', reject);
        outgoing.end(payload);
      }),
  };
}

/** The body of an answer that has to be good. @throws with the answer otherwise. */
export async function expectOk(answer: Promise<Answer>): Promise<unknown> {
  const { status, body } = await answer;
  if (status >= 300) throw new Error(`answered ${status}: ${JSON.stringify(body).slice(0, 2000)}`);
  return body;
}
