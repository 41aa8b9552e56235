import type { IncomingMessage, ServerResponse } from 'node:http';
import { formPolicy } from '../../src/contract/page-style.ts';
import type { RefusalCode } from '../../src/contract/refusals.ts';
import { languageWished } from '../language.ts';
import type { Language } from '../language.ts';
import { buildSignInPage } from '../page/sign-in-page.ts';
import { buildStatusPage, buildWhyPage } from '../page/status-page.ts';
import { buildPac } from './pac.ts';
import { answerProblem, ownHeaders } from './problem-answer.ts';
import type { ProxyContext } from './proxy-context.ts';

/**
 * The agent's own pages, for requests in origin form. A web page elsewhere must not learn from them which applications
 * there are, nor press their buttons: the Host must be ours by number or `localhost` (another name means DNS rebinding),
 * and no other site may embed or ask for them. Browsers say which site asks in Sec-Fetch-Site, older ones in Origin at
 * least where a script would read the answer or send something. What changes anything also needs the page's own token.
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
  if (request.url === '/action') return answerAction(context, request, response, refuse);
  const page = findPage(request);
  if (page === undefined) return refuse('not-found');
  if (request.method !== 'GET' && request.method !== 'HEAD') return refuse('method-not-allowed');
  const { type, body } = await page(context, port);
  answer(response, type, body);
}

function answer(response: ServerResponse, type: string, body: string): void {
  response.writeHead(200, {
    ...ownHeaders,
    ...(type === html ? { 'content-security-policy': formPolicy, 'referrer-policy': 'same-origin' } : {}),
    'content-type': type,
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}

/** A button of the status page. Browsers name the origin of whatever is posted; who names none is no browser of ours. */
async function answerAction(
  { page, log, language }: ProxyContext,
  request: IncomingMessage,
  response: ServerResponse,
  refuse: (code: RefusalCode) => void,
): Promise<void> {
  if (request.method !== 'POST') return refuse('method-not-allowed');
  const action = request.headers.origin === undefined ? undefined : await page.form.read(request);
  if (action === undefined) return refuse('cross-site-request');
  log.info({ action }, 'asked on the status page');
  if (action === 'sign-in') {
    const wished = languageWished(request.headers['accept-language'], language);
    return answer(response, html, buildSignInPage(await page.actions['sign-in'](), wished));
  }
  await page.actions[action]();
  response.writeHead(303, { ...ownHeaders, location: '/', 'content-length': 0 });
  response.end();
}

const html = 'text/html; charset=utf-8';

type Page = (context: ProxyContext, port: number) => Promise<{ type: string; body: string }>;

/** `/why/APP` is a page for each application; the others are there by their exact path. */
function findPage({ url = '', headers }: IncomingMessage): Page | undefined {
  const wished = (language: Language): Language => languageWished(headers['accept-language'], language);
  if (url === '/') {
    return async ({ status, page, language }) => ({
      type: html,
      body: buildStatusPage({
        status: await status(),
        refusals: page.refusals(),
        token: page.form.token,
        language: wished(language),
      }),
    });
  }
  const asked = askedOf(url);
  if (asked === undefined) return pages[url];
  return async ({ why, language }) => {
    const report = await why(asked, wished(language));
    return headers.accept?.includes('text/html') === true
      ? { type: html, body: buildWhyPage(report, wished(language)) }
      : { type: 'application/json', body: `${JSON.stringify(report)}\n` };
  };
}

function askedOf(url: string): string | undefined {
  const [, encoded] = /^\/why\/([^/?#]{1,600})$/.exec(url) ?? [];
  try {
    return encoded === undefined ? undefined : decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
}

const pages: Readonly<Record<string, Page>> = Object.assign(Object.create(null) as object, {
  '/status': async ({ status }) => ({
    type: 'application/json',
    body: `${JSON.stringify(await status())}\n`,
  }),
  '/log': ({ recentLog }) =>
    Promise.resolve({ type: 'application/json', body: `${JSON.stringify(recentLog())}\n` }),
  '/proxy.pac': ({ carrier }, port) =>
    Promise.resolve({
      type: 'application/x-ns-proxy-autoconfig',
      body: buildPac(carrier.config.apps(), port),
    }),
} satisfies Record<string, Page>);
