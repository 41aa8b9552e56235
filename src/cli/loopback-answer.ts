import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pagePolicy } from '../contract/page-style.ts';
import { paragraph, prefersFrench, renderPage } from '../contract/person-page.ts';

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
  'content-security-policy': pagePolicy,
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  connection: 'close',
};
const texts = {
  en: {
    came: [
      'Back to the terminal',
      'There `postern login` goes on, and says how it ended. This window can be closed.',
    ],
    unexpected: ['Nothing is waited for here', 'Run `postern login`, and open the address that it prints.'],
  },
  fr: {
    came: [
      'Retour au terminal',
      'La commande `postern login` y continue, et dit le résultat. Cette fenêtre peut être fermée.',
    ],
    unexpected: ["Rien n'est attendu ici", "Lancez `postern login`, et ouvrez l'adresse affichée."],
  },
} as const;
function page(acceptLanguage: string | undefined, what: 'came' | 'unexpected'): string {
  const language = prefersFrench(acceptLanguage) ? 'fr' : 'en';
  const [title, text] = texts[language][what];
  return renderPage({ language, title, body: paragraph(text) });
}

/** @throws the error of listen. */
export async function listenForAnswer(): Promise<LoopbackAnswer> {
  let expected: string | undefined;
  const received = Promise.withResolvers<string>();
  const server = createServer(
    { maxHeaderSize: 16_384, headersTimeout: 10_000, requestTimeout: 10_000 },
    ({ method, url = '', headers: { host, 'accept-language': wished } }, response) => {
      const parameters = url.startsWith(`${path}?`) ? url.slice(path.length + 1) : '';
      const states = new URLSearchParams(parameters).getAll('state');
      const isOurs = method === 'GET' && host === `127.0.0.1:${port}` && states.length === 1;
      if (!isOurs || expected === undefined || states[0] !== expected)
        return void response.writeHead(404, headers).end(page(wished, 'unexpected'));
      expected = undefined;
      response.writeHead(200, headers).end(page(wished, 'came'));
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
