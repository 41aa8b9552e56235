import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Where the browser comes back to after sign-in (RFC 8252, section 7.3): a port of loopback, open for one answer. */
export interface LoopbackAnswer {
  readonly redirectUri: string;
  /** Query string of the answer with this `state`; whatever else comes is answered 404 and changes nothing. */
  wait(state: string, timeoutMs: number): Promise<string>;
  close(): void;
}

const path = '/sign-in';
const headers = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  connection: 'close',
};
const page = (text: string): string =>
  `<!doctype html><html lang="en"><meta charset="utf-8"><title>Postern</title><h1>Postern</h1><p>${text}</p></html>\n`;

/** @throws the error of listen. */
export async function listenForAnswer(): Promise<LoopbackAnswer> {
  let expected: string | undefined;
  const received = Promise.withResolvers<string>();
  const server = createServer(
    { maxHeaderSize: 16_384, headersTimeout: 10_000, requestTimeout: 10_000 },
    ({ method, url = '', headers: { host } }, response) => {
      const parameters = url.startsWith(`${path}?`) ? url.slice(path.length + 1) : '';
      const states = new URLSearchParams(parameters).getAll('state');
      const isOurs = method === 'GET' && host === `127.0.0.1:${port}` && states.length === 1;
      if (!isOurs || expected === undefined || states[0] !== expected)
        return void response.writeHead(404, headers).end(page('Nothing is waited for here.'));
      expected = undefined;
      response.writeHead(200, headers).end(page('Go on in the terminal. This window can be closed.'));
      received.resolve(parameters);
    },
  );
  server.maxConnections = 16;
  server.listen({ host: '127.0.0.1', port: 0, exclusive: true });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    redirectUri: `http://127.0.0.1:${port}${path}`,
    async wait(state, timeoutMs) {
      expected = state;
      const timer = setTimeout(() => received.reject(new Error('nobody signed in in time')), timeoutMs);
      try {
        return await received.promise;
      } finally {
        clearTimeout(timer);
      }
    },
    close: () => void server.close(),
  };
}
