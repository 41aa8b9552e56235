import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';

export interface Posted {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** An HTTP receiver as its documentation describes one: a test says how it answers. */
export interface HttpReceiver {
  readonly url: string;
  readonly posted: readonly Posted[];
  stop(): Promise<void>;
}

export type Answering = (posted: Posted) => { readonly status: number; readonly body?: unknown } | 'silence';

export async function startHttpReceiver(answer: Answering, tls?: ServerOptions): Promise<HttpReceiver> {
  const posted: Posted[] = [];
  const listener: RequestListener = (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { url = '', headers } = request;
      const one = { path: url, headers, body: Buffer.concat(chunks).toString('utf8') };
      posted.push(one);
      const said = answer(one);
      if (said === 'silence') return;
      response.writeHead(said.status, { 'content-type': 'application/json' });
      response.end(said.body === undefined ? '' : JSON.stringify(said.body));
    });
  };
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    posted,
    async stop() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
