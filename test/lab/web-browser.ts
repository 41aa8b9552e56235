import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';

export interface Page {
  readonly url: URL;
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

/** The part of a browser that sign-in is made of: cookies by host, redirects, forms. Real connections, no script. */
export interface WebBrowser {
  /** Follows redirects until there is a page, or an address that `stopAt` says yes to, which is not asked. */
  open(url: string, stopAt?: (url: URL) => boolean): Promise<Page>;
  /** Submits the first form of a page, with what is filled in beside what is in it. */
  submit(page: Page, fields?: Record<string, string>, stopAt?: (url: URL) => boolean): Promise<Page>;
  readonly cookies: Map<string, Map<string, string>>;
}

export interface WebBrowserOptions {
  /** Authorities that it trusts. */
  readonly trust: readonly string[];
  readonly client?: { readonly chainPem: string; readonly keyPem: string };
  /** `host:port` that a host and port are really at. */
  readonly resolve?: (url: URL) => { readonly host: string; readonly port: number } | undefined;
  readonly headers?: Record<string, string>;
}

const maxRedirects = 20;

export function createWebBrowser(options: WebBrowserOptions): WebBrowser {
  const cookies = new Map<string, Map<string, string>>();

  const ask = async (url: URL, method: string, body: string | undefined): Promise<Page> => {
    const jar = [...(cookies.get(url.host) ?? [])].map(([name, value]) => `${name}=${value}`).join('; ');
    const place = options.resolve?.(url);
    const outgoing = (url.protocol === 'http:' ? httpRequest : httpsRequest)({
      method,
      host: place?.host ?? url.hostname,
      port: place?.port ?? url.port,
      path: url.pathname + url.search,
      agent: false,
      ...(url.protocol === 'http:' || /^[\d.]+$/.test(url.hostname) ? {} : { servername: url.hostname }),
      ca: [...options.trust],
      ...(options.client === undefined ? {} : { cert: options.client.chainPem, key: options.client.keyPem }),
      headers: {
        host: url.host,
        accept: 'text/html,application/xhtml+xml',
        'sec-fetch-mode': 'navigate',
        'sec-fetch-dest': 'document',
        ...options.headers,
        ...(jar === '' ? {} : { cookie: jar }),
        ...(body === undefined
          ? {}
          : {
              'content-type': 'application/x-www-form-urlencoded',
              'content-length': Buffer.byteLength(body),
            }),
      },
    });
    outgoing.end(body);
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    let text = '';
    for await (const chunk of response) text += String(chunk);
    keep(cookies, url, response.headers['set-cookie'] ?? []);
    return { url, status: response.statusCode ?? 0, headers: response.headers, text };
  };

  const follow = async (first: Page, stopAt: (url: URL) => boolean): Promise<Page> => {
    let page = first;
    for (let count = 0; count < maxRedirects; count += 1) {
      const { location } = page.headers;
      if (location === undefined || page.status < 300 || page.status > 399) return page;
      const next = new URL(location, page.url);
      if (stopAt(next)) return { ...page, url: next };
      page = await ask(next, 'GET', undefined);
    }
    throw new Error(`too many redirects at ${page.url.href}`);
  };

  return {
    cookies,
    open: async (url, stopAt = () => false) => follow(await ask(new URL(url), 'GET', undefined), stopAt),
    async submit(page, fields = {}, stopAt = () => false) {
      const action = /<form[^>]*action="([^"]*)"/.exec(page.text)?.[1] ?? page.url.href;
      const form = new URLSearchParams();
      for (const [input] of page.text.matchAll(/<input[^>]*>/g)) {
        const name = /name="([^"]*)"/.exec(input)?.[1];
        if (name !== undefined) form.set(name, /value="([^"]*)"/.exec(input)?.[1] ?? '');
      }
      for (const [name, value] of Object.entries(fields)) form.set(name, value);
      const target = new URL(action.replaceAll('&amp;', '&'), page.url);
      return follow(await ask(target, 'POST', form.toString()), stopAt);
    },
  };
}

function keep(cookies: Map<string, Map<string, string>>, url: URL, lines: readonly string[]): void {
  const jar = cookies.get(url.host) ?? new Map<string, string>();
  cookies.set(url.host, jar);
  for (const line of lines) {
    const [pair = '', ...attributes] = line.split(';');
    const [name = '', ...rest] = pair.split('=');
    const isOver = attributes.some((one) => /^\s*(expires=Thu, 01 Jan 1970|max-age=0)/i.test(one));
    if (isOver) jar.delete(name.trim());
    else jar.set(name.trim(), rest.join('=').trim());
  }
}
