import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { paragraph, renderPage } from '../../src/contract/person-page.ts';
import type { Language } from '../language.ts';
import { message } from '../messages.ts';
import type { MessageKey } from '../messages.ts';
import { ownHeaders } from '../proxy/problem-answer.ts';

/** The browser has come back from the identity provider. */
export interface BrowserAnswer {
  /** Query string of the address that it was sent to. */
  readonly parameters: string;
  /** Shows in the browser how it ended. */
  show(key: 'signed-in-page' | 'sign-in-failed-page', reason?: string): void;
}

/** Where the browser is sent after sign-in (RFC 8252, section 7.3): a port of loopback, open for one answer. */
export interface LoopbackListener {
  readonly redirectUri: string;
  /** The answer that bears this `state`. Whatever else comes is told that it is not expected, and changes nothing. */
  answer(state: string, signal: AbortSignal): Promise<BrowserAnswer>;
  close(): void;
}

const path = '/sign-in';

/** @throws the error of listen. */
export async function listenOnLoopback(language: Language): Promise<LoopbackListener> {
  let expected: string | undefined;
  const received = Promise.withResolvers<BrowserAnswer>();
  const server = createServer(
    { maxHeaderSize: 16_384, headersTimeout: 10_000, requestTimeout: 10_000, keepAliveTimeout: 1 },
    (request, response) => {
      const parameters = parametersOf(request, port);
      const states = new URLSearchParams(parameters).getAll('state');
      // Any page that is open in the browser may send it here: only who knows the state is answered by the sign-in.
      if (parameters === undefined || expected === undefined || states.length !== 1 || states[0] !== expected)
        return answerPage(response, 404, language, 'sign-in-failed-page', '');
      expected = undefined;
      received.resolve({
        parameters,
        show: (key, reason = '') =>
          answerPage(response, key === 'signed-in-page' ? 200 : 403, language, key, reason),
      });
    },
  );
  server.maxConnections = 16;
  server.listen({ host: '127.0.0.1', port: 0, exclusive: true });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  return {
    redirectUri: `http://127.0.0.1:${port}${path}`,
    answer(state, signal) {
      expected = state;
      signal.addEventListener('abort', () => received.reject(signal.reason as Error), { once: true });
      if (signal.aborted) received.reject(signal.reason as Error);
      return received.promise;
    },
    // The page on its way out still arrives.
    close: () => void server.close(),
  };
}

/** The query of a request that the browser itself made for our address; a name in Host means DNS rebinding. */
function parametersOf(request: IncomingMessage, port: number): string | undefined {
  const { method, url = '', headers } = request;
  if (method !== 'GET' || headers.host !== `127.0.0.1:${port}` || !url.startsWith(`${path}?`))
    return undefined;
  return url.length > 8192 ? undefined : url.slice(path.length + 1);
}

function answerPage(
  response: ServerResponse,
  status: number,
  language: Language,
  key: MessageKey,
  reason: string,
): void {
  const text = message(language, key, { reason }).trim();
  const title = language === 'fr' ? 'Connexion' : 'Sign-in';
  const mood = key === 'signed-in-page' ? 'good' : 'bad';
  const body = renderPage({ language, title, body: paragraph(text), mood });
  response.writeHead(status, {
    ...ownHeaders,
    // The address holds the answer of the provider; it is of no use any more, and nobody's business.
    'referrer-policy': 'no-referrer',
    'content-type': 'text/html; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  });
  response.end(body);
}
