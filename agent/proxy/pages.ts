import type { IncomingMessage, ServerResponse } from 'node:http';
import type { RefusalCode } from '../../src/contract/refusals.ts';
import { languageWished } from '../language.ts';
import { buildPac } from './pac.ts';
import { answerProblem, ownHeaders } from './problem-answer.ts';
import type { ProxyContext } from './proxy-context.ts';
import { buildStatusPage } from './status-page.ts';

/**
 * The agent's own pages, for requests in origin form. They only show; nothing here changes anything. A web page
 * elsewhere must not learn from them which applications there are: the Host must be ours by number or `localhost`
 * (another name means DNS rebinding), and no other site may embed or ask for them. Browsers say which site asks in
 * Sec-Fetch-Site, older ones in Origin at least where a script would read the answer or send something.
 */
export async function answerPage(
  context: ProxyContext,
  port: number,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const refuse = (code: RefusalCode): void =>
    answerProblem(response, request.headers.accept, { code, language: context.language });
  const { host } = request.headers;
  if (host !== `127.0.0.1:${port}` && host !== `localhost:${port}`) return refuse('server-name-unknown');
  const { origin, 'sec-fetch-site': site } = request.headers;
  const isForeign = origin !== undefined && origin !== `http://${host}`;
  if (isForeign || (site !== undefined && site !== 'none' && site !== 'same-origin'))
    return refuse('cross-site-request');
  const page = findPage(request);
  if (page === undefined) return refuse('not-found');
  if (request.method !== 'GET' && request.method !== 'HEAD') return refuse('method-not-allowed');
  const { type, body } = await page(context, port);
  response.writeHead(200, { ...ownHeaders, 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

/** `/why/APP` is a page for each application; the others are there by their exact path. */
function findPage({ url = '', headers }: IncomingMessage): Page | undefined {
  const asked = askedOf(url);
  if (asked === undefined) return pages[url];
  return async ({ why, language }) => ({
    type: 'application/json',
    body: `${JSON.stringify(await why(asked, languageWished(headers['accept-language'], language)))}\n`,
  });
}

function askedOf(url: string): string | undefined {
  const [, encoded] = /^\/why\/([^/?#]{1,600})$/.exec(url) ?? [];
  try {
    return encoded === undefined ? undefined : decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
}

type Page = (context: ProxyContext, port: number) => Promise<{ type: string; body: string }>;

const pages: Readonly<Record<string, Page>> = Object.assign(Object.create(null) as object, {
  '/': async ({ status, language }) => ({
    type: 'text/html; charset=utf-8',
    body: buildStatusPage(await status(), language),
  }),
  '/status': async ({ status }) => ({
    type: 'application/json',
    body: `${JSON.stringify(await status())}\n`,
  }),
  '/proxy.pac': ({ carrier }, port) =>
    Promise.resolve({
      type: 'application/x-ns-proxy-autoconfig',
      body: buildPac(carrier.config.apps(), port),
    }),
} satisfies Record<string, Page>);
