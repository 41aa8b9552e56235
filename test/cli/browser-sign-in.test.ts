import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import type { Duplex } from 'node:stream';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { Identity } from '../control/control-lab.ts';
import { createWebBrowser } from '../lab/web-browser.ts';
import type { Page, WebBrowser } from '../lab/web-browser.ts';
import { appHost, startBrowserLab } from './browser-lab.ts';
import type { BrowserLab } from './browser-lab.ts';

// A whole server, and a browser's part of it spoken over real connections.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

let lab: BrowserLab;
let laptop: Identity;
let other: Identity;
beforeAll(async () => {
  lab = await startBrowserLab();
  [laptop, other] = [await lab.enroll(), await lab.enroll()];
});
afterAll(() => lab.close());

const address = (path: string): string => lab.address(path);
const browserOf = (client: Identity, headers: Record<string, string> = {}): WebBrowser =>
  createWebBrowser({
    trust: [lab.made.rootPem, lab.provider.authorityPem],
    client,
    resolve: (url) =>
      url.hostname.endsWith('.example.org') ? { host: '127.0.0.1', port: Number(url.port) } : undefined,
    headers,
  });

interface Asked {
  readonly client?: Identity;
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
}
/** One request as a page's script or a program would make it. */
async function ask({ client = laptop, method = 'GET', path = '/', headers = {} }: Asked) {
  const outgoing = request({
    host: '127.0.0.1',
    port: lab.gateway,
    servername: appHost,
    agent: false,
    ca: lab.made.rootPem,
    cert: client.chainPem,
    key: client.keyPem,
    method,
    path,
    headers: { host: `${appHost}:${lab.gateway}`, ...headers },
  });
  outgoing.end();
  const upgraded = new Promise<void>((resolve) =>
    outgoing.once('upgrade', (_answer, socket) => {
      socket.destroy();
      resolve();
    }),
  );
  const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>;
  const [response] = (await Promise.race([answered, upgraded])) ?? [];
  if (response === undefined) {
    outgoing.destroy();
    answered.catch(() => undefined);
    return { status: 101, code: undefined, text: '', headers: {} };
  }
  let text = '';
  for await (const chunk of response) text += String(chunk);
  const code = /"code":"([a-z-]+)"/.exec(text)?.[1];
  return { status: response.statusCode, code, text, headers: response.headers };
}

/** Where the button of a page leads. */
const linkOf = ({ text }: Page): string => (/ href="([^"]+)"/.exec(text)?.[1] ?? '').replaceAll('&#38;', '&');

async function signIn(browser = browserOf(laptop)): Promise<string> {
  const page = await browser.open(address('/report?year=2026'));
  expect([page.status, page.text]).toEqual([200, 'grants for alice@example.org']);
  return browser.cookies.get(`${appHost}:${lab.gateway}`)?.get('__Host-postern') ?? '';
}

it('leads a browser to sign in and back to the very page, with a cookie that the application never sees', async () => {
  const browser = browserOf(laptop);
  const page = await browser.open(address('/report?year=2026'));
  expect([page.status, page.text, page.url.href]).toEqual([
    200,
    'grants for alice@example.org',
    address('/report?year=2026'),
  ]);
  const cookies = browser.cookies.get(`${appHost}:${lab.gateway}`);
  expect([...(cookies?.keys() ?? [])].sort()).toEqual(['__Host-postern', 'theirs']);
  expect(cookies?.get('__Host-postern')).toMatch(/^pss1\./);
  const again = await browser.open(address('/next'));
  expect(again.status).toBe(200);
  // Its own cookie went to the application, ours did not, and what it set under our name did not come here.
  expect(lab.received.at(-1)).toMatchObject({ url: '/next', headers: { cookie: 'theirs=1' } });
  expect(again.headers['set-cookie']).toEqual(['theirs=1; Path=/']);
});

it('sets the cookie for this host alone, away from scripts, by TLS, and not for other sites’ forms', async () => {
  const page = await browserOf(laptop).open(
    address('/'),
    ({ pathname }) => pathname === '/.well-known/postern/sign-in',
  );
  const answer = await ask({ path: page.url.pathname + page.url.search });
  expect(answer.status).toBe(303);
  expect(answer.headers['set-cookie']).toEqual([
    expect.stringMatching(
      /^__Host-postern=pss1\.[\w-]+; Path=\/; Secure; HttpOnly; SameSite=Lax; Max-Age=\d+$/,
    ),
  ]);
  expect(answer.headers).toMatchObject({ location: address('/'), 'cache-control': 'no-store' });
  // Once, and for this certificate.
  const replayed = await ask({ path: page.url.pathname + page.url.search });
  expect(replayed).toMatchObject({ status: 403, code: 'sign-in-used' });
  expect(replayed.headers['set-cookie']).toBeUndefined();
});

it('hands a sign-in over to no other certificate', async () => {
  const page = await browserOf(laptop).open(
    address('/'),
    ({ pathname }) => pathname === '/.well-known/postern/sign-in',
  );
  const path = page.url.pathname + page.url.search;
  expect(await ask({ client: other, path })).toMatchObject({ status: 403, code: 'sign-in-unknown' });
  expect(await ask({ path: '/.well-known/postern/sign-in?code=made-up' })).toMatchObject({
    code: 'sign-in-unknown',
  });
  expect(await ask({ path })).toMatchObject({ status: 303 });
});

it('refuses the cookie with another certificate, bent, twice, and to whoever shows none', async () => {
  const cookie = await signIn();
  const withCookie = (value: string, client = laptop) =>
    ask({ client, headers: { cookie: `__Host-postern=${value}` } });
  expect(await withCookie(cookie)).toMatchObject({ status: 200 });
  expect(await withCookie(cookie, other)).toMatchObject({ status: 401, code: 'token-bound-elsewhere' });
  expect(await withCookie(cookie.replace(/.{8}$/, 'AAAAAAAA'))).toMatchObject({
    status: 401,
    code: 'sign-in-required',
  });
  expect(await withCookie(`${cookie}; __Host-postern=x`)).toMatchObject({
    status: 400,
    code: 'header-duplicate',
  });
  expect(await withCookie(cookie)).toMatchObject({ status: 200 });
  expect(await ask({})).toMatchObject({ status: 401, code: 'token-missing' });
});

it('lets Proxy-Authorization win over the cookie, and refuses one that is not valid', async () => {
  const cookie = `__Host-postern=${await signIn()}`;
  const answer = await ask({ headers: { cookie, 'proxy-authorization': 'Bearer a.b.c' } });
  expect(answer).toMatchObject({ status: 401, code: 'token-malformed' });
});

it('lets no other site change anything in the name of who is signed in', async () => {
  const cookie = `__Host-postern=${await signIn()}`;
  const post = (headers: Record<string, string>) => ask({ method: 'POST', headers: { cookie, ...headers } });
  const own = `https://${appHost}:${lab.gateway}`;
  const refused = { status: 403, code: 'cross-site-request' };
  const before = lab.received.length;
  for (const headers of [
    { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' },
    { 'sec-fetch-site': 'same-site', origin: 'https://payroll.apps.example.org' },
    { 'sec-fetch-site': 'same-origin', origin: 'https://evil.example' },
    { origin: 'null' },
    {},
  ] as Record<string, string>[])
    expect(await post(headers)).toMatchObject(refused);
  expect(lab.received).toHaveLength(before);
  expect(await post({ 'sec-fetch-site': 'same-origin', origin: own })).toMatchObject({ status: 200 });
  expect(await post({ origin: own })).toMatchObject({ status: 200 });

  const upgrade = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
  };
  expect(await ask({ headers: { cookie, ...upgrade, origin: 'https://evil.example' } })).toMatchObject(
    refused,
  );
  expect(await ask({ headers: { cookie, ...upgrade } })).toMatchObject(refused);
  expect(await ask({ headers: { cookie, ...upgrade, origin: own } })).toMatchObject({ status: 101 });
});

it('leads nobody elsewhere, and nobody who has no certificate', async () => {
  const lead = (to: string, client?: Identity) => {
    const browser =
      client === undefined ? createWebBrowser({ trust: [lab.made.rootPem] }) : browserOf(client);
    const url = `https://127.0.0.1:${lab.control}/v1/sign-in/browser?${new URLSearchParams({ to }).toString()}`;
    return browser.open(url, ({ origin }) => origin === lab.provider.issuer);
  };
  for (const to of [
    'https://evil.example/',
    'https://grants.apps.example.org.evil.example/',
    `https://alice@${appHost}:${lab.gateway}/`,
    `https://${appHost}:1/`,
    `http://${appHost}:${lab.gateway}/`,
    'javascript:alert(1)',
    '//evil.example/',
  ]) {
    const page = await lead(to, laptop);
    expect([to, page.status, page.url.pathname]).toEqual([to, 404, '/v1/sign-in/browser']);
    expect(page.headers['content-type']).toContain('text/html');
  }
  expect((await lead(address('/'))).status).toBe(401);
  expect((await lead(address('/'), laptop)).url.origin).toBe(lab.provider.issuer);
});

it('sends programs, images and frames nowhere', async () => {
  const html = { accept: 'text/html' };
  for (const headers of [
    { accept: 'application/json' },
    { ...html, 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' },
    { ...html, 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' },
    { ...html, 'proxy-authorization': 'Bearer a.b.c' },
  ] as Record<string, string>[])
    expect((await ask({ headers })).status).toBe(401);
  expect((await ask({ method: 'POST', headers: html })).status).toBe(401);
  const led = await ask({ headers: html });
  expect([led.status, new URL(String(led.headers.location)).hostname]).toEqual([303, 'control.example.org']);
});

it('asks for a second factor where a policy does, and shows the page when that was not given', async () => {
  const browser = browserOf(laptop);
  await signIn(browser);
  lab.provider.person = { account: 'alice', amr: ['pwd'] };
  const stepped = await browser.open(address('/secret'), ({ origin }) => origin === lab.provider.issuer);
  // Signed in a moment ago: the page says what is missing, and nobody is sent round in a circle.
  expect([stepped.status, stepped.text]).toEqual([401, expect.stringContaining('mfa-required')]);
  // Whoever has no agent has no use of its commands; the page leads on by a link, which only a person follows.
  expect(stepped.text).not.toContain('postern-agent');
  expect((await browser.open(linkOf(stepped))).text).toContain('mfa-required');
  lab.provider.person = { account: 'alice', amr: ['pwd', 'mfa'] };
  const led = await browser.open(linkOf(stepped));
  expect([led.status, led.url.href]).toEqual([200, address('/secret')]);
  const fresh = browserOf(laptop);
  expect((await fresh.open(address('/secret'))).status).toBe(200);
  lab.provider.person = { account: 'alice', amr: ['pwd'] };
});

it('ends with the session at the provider, and asks again', async () => {
  const browser = browserOf(laptop);
  const cookie = await signIn(browser);
  await lab.provider.endSession(browser);
  expect(await ask({ headers: { cookie: `__Host-postern=${cookie}` } })).toMatchObject({
    status: 401,
    code: 'sign-in-ended',
  });
  expect((await browser.open(address('/'))).status).toBe(200);
});

it('cuts an open WebSocket of a browser whose session ends at the provider', async () => {
  const browser = browserOf(laptop);
  const cookie = `__Host-postern=${await signIn(browser)}`;
  const outgoing = request({
    host: '127.0.0.1',
    port: lab.gateway,
    servername: appHost,
    agent: false,
    ca: lab.made.rootPem,
    cert: laptop.chainPem,
    key: laptop.keyPem,
    headers: {
      host: `${appHost}:${lab.gateway}`,
      origin: `https://${appHost}:${lab.gateway}`,
      cookie,
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
    },
  });
  outgoing.end();
  const [, socket] = (await once(outgoing, 'upgrade')) as [IncomingMessage, Duplex];
  socket.on('error', () => undefined);
  const closed = new Promise<number>((resolve) => socket.once('close', () => resolve(performance.now())));
  socket.resume();
  await lab.provider.endSession(browser);
  // The provider is answered when every gateway has cut: by now it is, or is about to be seen here.
  const answered = performance.now();
  console.log(`cut ${(answered - (await closed)).toFixed(1)} ms before the logout was answered`);
});

it('says no to a wrong user on a page, in the language of the browser', async () => {
  lab.provider.person = { account: 'bob' };
  const browser = browserOf(laptop, { 'accept-language': 'fr' });
  const page = await browser.open(address('/'));
  expect([page.status, page.url.pathname]).toEqual([403, '/v1/sign-in/callback']);
  expect(page.text).toContain('sign-in-wrong-user');
  expect(page.text).toContain('<html lang="fr">');
  expect(page.headers).toMatchObject({ 'content-language': 'fr', 'cache-control': 'no-store' });
  expect(page.headers['content-security-policy']).toContain("frame-ancestors 'none'");
  lab.provider.person = { account: 'alice', amr: ['pwd'] };
  // The provider is asked to ask anew, or it would name the same user again.
  expect(new URL(linkOf(page)).searchParams.get('fresh')).toBe('1');
  const led = await browser.open(linkOf(page), ({ origin }) => origin === lab.provider.issuer);
  expect(led.url.searchParams.get('prompt')).toBe('login');
});

it('offers no way on to whoever began no sign-in here', async () => {
  const url = `https://control.example.org:${lab.control}/v1/sign-in/callback?code=x&state=y`;
  const browser = browserOf(laptop);
  browser.cookies.set(new URL(url).host, new Map([['__Host-postern-sign-in', 'made-up']]));
  const page = await browser.open(url);
  expect([page.status, page.text]).toEqual([403, expect.stringContaining('sign-in-unknown')]);
  expect(page.text).not.toContain('href');
});

it('keeps cookies and codes out of the flow records', async () => {
  const cookie = await signIn();
  await ask({ headers: { cookie: `__Host-postern=${cookie}` } });
  const directory = join(lab.made.data, 'flows');
  const files = (await readdir(directory, { recursive: true })).filter((name) => name.includes('.'));
  let text = '';
  for (const file of files) text += await readFile(join(directory, file), 'utf8').catch(() => '');
  expect(text).toContain('finance-grants');
  expect(text).not.toContain('pss1.');
});
