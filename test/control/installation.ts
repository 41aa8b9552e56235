import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import { initData } from '../../src/cli/init-data.ts';

/** What `postern init` makes, with every listener at a free port of loopback. */
export interface Installation {
  /** Holds `data` and nothing else, so that tests may put their own files beside it. */
  readonly directory: string;
  readonly data: string;
  readonly configFile: string;
  readonly apiKey: string;
  readonly rootPem: string;
  api(
    port: number,
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<{ status: number; body: ReturnType<typeof JSON.parse> }>;
  readonly remove: () => Promise<void>;
}

export async function makeInstallation(passphrase?: string): Promise<Installation> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-installation-'));
  const data = join(directory, 'data');
  const { apiKey, rootPem } = await initData({
    directory: data,
    domain: 'example.org',
    passphrase,
    now: new Date(),
  });
  const configFile = join(data, 'postern.yaml');
  const document = parseDocument(await readFile(configFile, 'utf8'));
  for (const listener of ['gateway', 'control', 'operator']) {
    document.setIn([listener, 'listen'], '127.0.0.1');
    document.setIn([listener, 'port'], 0);
  }
  document.setIn(['log', 'level'], 'warn');
  await writeFile(configFile, String(document));
  return {
    directory,
    data,
    configFile,
    apiKey,
    rootPem,
    async api(port, method, path, body, headers) {
      const payload = body === undefined ? undefined : JSON.stringify(body);
      const outgoing = request({
        host: '127.0.0.1',
        port,
        method,
        path,
        ca: rootPem,
        agent: false,
        headers: {
          authorization: `Bearer ${apiKey}`,
          ...headers,
          ...(payload === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
        },
      });
      outgoing.end(payload);
      const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
      let text = '';
      for await (const chunk of response) text += String(chunk);
      return { status: response.statusCode ?? 0, body: JSON.parse(text) };
    },
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}
