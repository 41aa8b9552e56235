import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { buildStatusPage } from '../../agent/page/status-page.ts';
import { buildSignInPage } from '../../agent/page/sign-in-page.ts';
import { headlines, otherHeadline, pageWords } from '../../agent/page/words.ts';
import { saveSignIn } from '../../agent/state/kept-sign-in.ts';
import { ask, connectThrough, readAll } from './lab/proxy-client.ts';
import { makeWorld, postureOf } from './lab/world.ts';
import type { Laptop, World } from './lab/world.ts';

let world: World;
let laptop: Laptop;
beforeEach(async () => {
  world = await makeWorld();
  laptop = await world.startLaptop({ posture: postureOf(false) });
  await laptop.reach('connected');
});
afterEach(() => world.close());

const load = (language = 'en', path = '/') =>
  ask(laptop.port, path, { headers: { accept: 'text/html', 'accept-language': language } });
const tokenOf = (body: string): string => /name="token" value="([\w-]{43})"/.exec(body)?.[1] ?? '';
const press = (body: string, headers: Record<string, string> = {}) =>
  ask(laptop.port, '/action', {
    method: 'POST',
    body,
    headers: {
      origin: `http://127.0.0.1:${laptop.port}`,
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': String(Buffer.byteLength(body)),
      ...headers,
    },
  });

it('shows applications as links, the laptop with how to mend it, and what was refused, in both languages', async () => {
  const { socket, rest } = await connectThrough(laptop.port, 'ledger.apps.example.org:9999');
  await readAll(socket, rest);
  const [english, french] = [(await load('en')).body, (await load('fr-FR,en;q=0.5')).body];
  expect(english).toContain('<h1>Connected</h1>');
  expect(english).toContain('<a href="https://grants.apps.example.org/">grants</a>');
  expect(english).toContain('ledger.apps.example.org:5432');
  expect(english).not.toContain('<a href="https://ledger.');
  expect(english).toContain('Turn the firewall on');
  expect(english).toMatch(/The application has no such port[^]*<code>01HZY<\/code>/);
  expect(french).toContain('<html lang="fr">');
  expect(french).toMatch(
    /<h1>Connecté<\/h1>[^]*Activez le pare-feu[^]*L&#39;application n&#39;a pas ce port/,
  );
  expect((await load('fr', '/why/grants')).body).toContain('Ce qui empêche grants');
});

it('has no script, nothing from elsewhere, and no style but the one that its policy names', async () => {
  const { body, headers } = await load();
  const [, style = ''] = /<style>([^<]*)<\/style>/.exec(body) ?? [];
  const digest = createHash('sha256').update(style).digest('base64');
  expect(headers['content-security-policy']).toBe(
    `default-src 'none'; style-src 'sha256-${digest}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
  );
  expect(headers).toMatchObject({ 'cache-control': 'no-store', 'x-frame-options': 'DENY' });
  expect(body).not.toMatch(/<script|<img|<iframe|<link|@import|url\(|\son\w+=|\sstyle=/i);
});

it('writes nothing of what others say as HTML', async () => {
  const status = await laptop.status();
  const evil = '"><script>alert(1)</script>';
  const page = buildStatusPage({
    status: {
      ...status,
      state: 'captive-portal',
      portal: { url: `http://hotel.example/${evil}` },
      device: evil,
      apps: [{ name: evil, host: evil, protocol: 'http', ports: [] }],
      posture: { checks: status.posture?.checks ?? ({} as never), reasons: { diskEncrypted: evil } },
    },
    refusals: [{ status: 403, code: 'future', title: evil, help: evil, flowId: evil, at: 0 }],
    token: 'token',
    language: 'en',
  });
  expect(page).not.toContain('<script');
  expect(page).toContain('This network wants you to sign in first');
});

it('connects again when its button is pressed, and shows the page after it', async () => {
  const token = tokenOf((await load()).body);
  const again = world.gateway.session(1);
  const answer = await press(`token=${token}&action=reconnect`);
  expect([answer.status, answer.headers.location]).toEqual([303, '/']);
  await again;
  expect((await press(`token=${token}&action=measure`)).status).toBe(303);
});

it('signs out when its button is pressed: here, and at the control plane', async () => {
  saveSignIn(world.paths.signIn, {
    signIn: 'sealed',
    user: 'alice@example.org',
    expiresAt: Math.floor(Date.now() / 1000) + 3600,
  });
  world.control.instead.set('/v1/device/sign-out', () => Promise.resolve({ ended: true }));
  const page = await load();
  expect(page.body).toContain('value="sign-out"');
  expect((await press(`token=${tokenOf(page.body)}&action=sign-out`)).status).toBe(303);
  expect(existsSync(world.paths.signIn)).toBe(false);
  expect((await world.control.request('/v1/device/sign-out')).body).toEqual({ signIn: 'sealed' });
  expect((await load()).body).not.toContain('value="sign-out"');
});

/** A control plane that begins sign-ins, none of which ends. */
const beginSignIns = (url = 'https://login.example.org/auth?state=s&hint="><b>'): void =>
  void world.control.instead.set('/v1/device/sign-in', () =>
    Promise.resolve({
      transaction: 't',
      authorizationUrl: url,
      expiresAt: Math.floor(Date.now() / 1000) + 600,
    }),
  );
const pressSignIn = async () => press(`token=${tokenOf((await load()).body)}&action=sign-in`);

it('leads the browser that shows it to the sign-in, by a link and by itself, and twice to the same', async () => {
  beginSignIns();
  const first = await pressSignIn();
  const target = 'https://login.example.org/auth?state=s&#38;hint=%22%3E%3Cb%3E';
  expect(first.status).toBe(200);
  expect(first.body).toContain(`<meta http-equiv="refresh" content="0;url=${target}">`);
  expect(first.body).toContain(`<a class="button first" rel="noreferrer" href="${target}">`);
  expect((await pressSignIn()).body).toBe(first.body);
  expect(world.control.requests.filter(({ path }) => path === '/v1/device/sign-in')).toHaveLength(1);
});

it('says why a sign-in cannot be begun, and tries again when it is pressed again', async () => {
  world.control.refuse('/v1/device/sign-in', 'identity-provider-unavailable');
  const failed = await pressSignIn();
  expect([failed.status, failed.body]).toEqual([
    200,
    expect.stringMatching(/Signing in is not possible now.*Identity provider does not answer/),
  ]);
  expect(failed.body).not.toContain('http-equiv="refresh"');
  // Nothing but the page of an organization over TLS is opened.
  beginSignIns('http://login.example.org/auth');
  expect((await pressSignIn()).body).toContain('not at an https address');
  beginSignIns();
  expect((await pressSignIn()).body).toContain('http-equiv="refresh"');
});

it('shows the code before it leads anywhere, where that is how people sign in', () => {
  const page = buildSignInPage({ url: 'https://login.example.org/device', code: '<ABCD>' }, 'fr');
  expect(page).toContain('<code>&#60;ABCD&#62;</code>');
  expect(page).not.toContain('http-equiv="refresh"');
});

it.each([
  ['without the token', 'action=reconnect', {}],
  ['with another token', `token=${'A'.repeat(43)}&action=reconnect`, {}],
  ['with two tokens', 'token=TOKEN&token=x&action=reconnect', {}],
  ['for what is no button', 'token=TOKEN&action=leave', {}],
  ['for two buttons', 'token=TOKEN&action=measure&action=reconnect', {}],
  ['of another site', 'token=TOKEN&action=reconnect', { origin: 'https://evil.example' }],
  ['of a page without an origin', 'token=TOKEN&action=reconnect', { origin: 'null' }],
  ['of another port', 'token=TOKEN&action=reconnect', { origin: 'http://127.0.0.1:1' }],
  ['marked as cross-site', 'token=TOKEN&action=reconnect', { 'sec-fetch-site': 'cross-site' }],
  ['marked as of the same site', 'token=TOKEN&action=reconnect', { 'sec-fetch-site': 'same-site' }],
  ['to another name', 'token=TOKEN&action=reconnect', { host: 'evil.example' }],
  ['as plain text', 'token=TOKEN&action=reconnect', { 'content-type': 'text/plain' }],
  ['as JSON', '{"token":"TOKEN","action":"reconnect"}', { 'content-type': 'application/json' }],
  ['that is too long', `token=TOKEN&action=reconnect&x=${'y'.repeat(2000)}`, {}],
] as [string, string, Record<string, string>][])('does nothing for a form %s', async (_, form, headers) => {
  const token = tokenOf((await load()).body);
  const answer = await press(form.replace('TOKEN', token), headers);
  expect([403, 421]).toContain(answer.status);
  expect(world.gateway.sessions.length).toBe(1);
});

it('does nothing for a link, nor for a program that names no origin', async () => {
  const token = tokenOf((await load()).body);
  expect((await ask(laptop.port, '/action')).status).toBe(405);
  expect((await ask(laptop.port, `/action?token=${token}&action=reconnect`)).status).toBe(404);
  const body = `token=${token}&action=reconnect`;
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  expect((await ask(laptop.port, '/action', { method: 'POST', body, headers })).status).toBe(403);
  expect(world.gateway.sessions.length).toBe(1);
});

it('has another token after each start, and shows it to no other site', async () => {
  const first = tokenOf((await load()).body);
  expect(first).toHaveLength(43);
  const foreign = await ask(laptop.port, '/', { headers: { origin: 'https://evil.example' } });
  expect(foreign.body).not.toContain(first);
  await laptop.stop();
  laptop = await world.startLaptop();
  await laptop.reach('connected');
  expect(tokenOf((await load()).body)).not.toBe(first);
});

it('says in plain words what each state means, and has all of them in both languages', () => {
  const sentences = [
    ...Object.values(pageWords),
    ...[...Object.values(headlines), otherHeadline].flatMap((one) =>
      one === undefined ? [] : [one.text, one.advice],
    ),
  ];
  for (const { en, fr } of sentences) expect([en.length > 0, fr.length > 0]).toEqual([true, true]);
});
