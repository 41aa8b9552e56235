import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { saveSignIn } from '../../agent/state/kept-sign-in.ts';
import { statusRows } from '../../agent/status-rows.ts';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { listenOnLoopback } from '../../agent/sign-in/loopback-listener.ts';
import { openBrowser } from '../../agent/sign-in/open-browser.ts';
import type { RefusalCode } from '../../src/contract/refusals.ts';
import { createFakeClock } from './lab/fake-clock.ts';
import { refuseStream } from './lab/gateway-server.ts';
import { connectThrough, curl, readUntil } from './lab/proxy-client.ts';
import { makeWorld } from './lab/world.ts';
import type { World } from './lab/world.ts';

let world: World;
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(() => world.close());

async function get(url: string, headers: Record<string, string> = {}) {
  const { hostname, port, pathname, search } = new URL(url);
  const outgoing = request({ host: hostname, port, path: pathname + search, agent: false, headers });
  outgoing.end();
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return { status: response.statusCode, text, headers: response.headers };
}

/** A control plane that begins and completes sign-ins; the person signs in at once. */
function letSignIn(
  begunUntil = Math.floor(Date.now() / 1000) + 600,
  expiresAt = Math.floor(Date.now() / 1000) + 3600,
): { addresses: string[]; prompt: Parameters<World['startLaptop']>[0] } {
  const addresses: string[] = [];
  world.control.instead.set('/v1/device/sign-in', async ({ body }) => {
    const { redirectUri } = body as { redirectUri: string };
    const query = new URLSearchParams({ state: 'the-state', redirect_uri: redirectUri });
    const authorizationUrl = `https://login.example.org/auth?${query.toString()}`;
    return { transaction: 't', authorizationUrl, expiresAt: begunUntil };
  });
  world.control.instead.set('/v1/device/sign-in/complete', async () => ({
    signIn: 'sealed',
    user: 'alice@example.org',
    at: 1,
    mfa: true,
    expiresAt,
  }));
  const signInPrompt = {
    showAddress: (url: string) => {
      addresses.push(url);
      const back = new URL(url).searchParams.get('redirect_uri') ?? '';
      void get(`${back}?code=the-code&state=the-state`);
    },
    showCode: () => undefined,
    openBrowser: () => Promise.resolve(false),
  };
  return { addresses, prompt: { signInPrompt } };
}

function answerWith(code: RefusalCode | undefined): void {
  world.gateway.apps.set('grants.apps.example.org', (stream) => {
    if (code === undefined) {
      stream.respond({ ':status': 200 });
      return void stream.end('grants here');
    }
    refuseStream(stream, code);
  });
}

it.each([
  ['mfa-required', { fresh: true, mfa: true }],
  ['sign-in-required', { fresh: true, mfa: false }],
] as const)(
  'asks the user once when a policy answers %s, and gets a token for what came of it',
  async (code, wish) => {
    const { addresses, prompt } = letSignIn();
    const laptop = await world.startLaptop(prompt);
    await laptop.reach('connected');
    answerWith(code);
    const ask = () => curl(['--proxy', `http://127.0.0.1:${laptop.port}`, 'http://grants.apps.example.org/']);
    await ask();
    const begun = await world.control.request('/v1/device/sign-in');
    expect(begun.body).toMatchObject({ flow: 'code', ...wish });
    const completed = await world.control.request('/v1/device/sign-in/complete');
    expect(completed.body).toEqual({ transaction: 't', parameters: 'code=the-code&state=the-state' });
    const second = await world.control.request('/v1/device/token', 2);
    expect(second.body).toMatchObject({ signIn: 'sealed' });

    // Refused all the same: the user is not asked again and again.
    await ask();
    await ask();
    expect(addresses).toHaveLength(1);
    answerWith(undefined);
    expect(await ask()).toMatchObject({ output: 'grants here' });
  },
);

it('is asked for anew before it ends where flows are open, and none of them notices; nobody is asked otherwise', async () => {
  const startedAt = Date.now();
  const endsIn = (seconds: number): number => Math.floor(startedAt / 1000) + seconds;
  saveSignIn(world.paths.signIn, { signIn: 'first', user: 'alice@example.org', expiresAt: endsIn(3600) });
  const { addresses, prompt } = letSignIn(endsIn(4000), endsIn(40_000));
  const echo = 'ledger.apps.example.org:5432';
  world.gateway.tunnels.set(echo, await world.serve((socket) => socket.pipe(socket)));
  const clock = createFakeClock(startedAt);
  const laptop = await world.startLaptop({ ...prompt, clock });
  await laptop.reach('connected');
  // A quarter of an hour is left, and nothing open.
  await clock.whenSleeping(15_000);
  clock.advance(2_760_000);
  await world.control.request('/v1/device/token', 2);
  await clock.whenSleeping(15_000);
  expect(addresses).toEqual([]);

  const { socket } = await connectThrough(laptop.port, echo);
  clock.advance(15_000);
  expect((await world.control.request('/v1/device/sign-in')).body).toMatchObject({ flow: 'code' });
  const shown = async (nth: number): Promise<unknown> =>
    (await world.control.request('/v1/device/token', nth)).body;
  expect([await shown(2), await shown(3)]).toMatchObject([{ signIn: 'first' }, { signIn: 'sealed' }]);
  for (const word of ['still;', 'here;']) {
    await clock.whenSleeping(15_000);
    clock.advance(15_000);
    socket.write(word);
    expect(await readUntil(socket, ';')).toBe(word);
  }
  expect([addresses.length, laptop.view().state]).toEqual([1, 'connected']);
  socket.destroy();
});

it('asks when the control plane wants a sign-in, tells programs so meanwhile, and connects when someone signed in', async () => {
  world.control.refuse('/v1/device/token', 'sign-in-required');
  const waiting = await world.startLaptop({});
  await waiting.reach('sign-in-required');
  const answer = await curl([
    '--proxy',
    `http://127.0.0.1:${waiting.port}`,
    'http://grants.apps.example.org/',
  ]);
  expect(answer.output).toContain('"sign-in-required"');
  await waiting.stop();

  const { addresses, prompt } = letSignIn();
  const complete = world.control.instead.get('/v1/device/sign-in/complete');
  world.control.instead.set('/v1/device/sign-in/complete', async (received) => {
    world.control.instead.delete('/v1/device/token');
    return complete?.(received);
  });
  const laptop = await world.startLaptop(prompt);
  await laptop.reach('connected');
  expect(addresses).toHaveLength(1);
});

it('takes only the answer that it waits for, at its own address, and only once', async () => {
  const listener = await listenOnLoopback('en');
  const { origin } = new URL(listener.redirectUri);
  const early = await get(`${listener.redirectUri}?code=c&state=s`);
  expect(early.status).toBe(404);
  const answered = listener.answer('s', new AbortController().signal);
  for (const [url, headers] of [
    [`${listener.redirectUri}?code=c&state=other`, {}],
    [`${listener.redirectUri}?code=c&state=s&state=s`, {}],
    [`${listener.redirectUri}?code=c`, {}],
    [`${origin}/other?code=c&state=s`, {}],
    [`${listener.redirectUri}?code=c&state=s`, { host: 'rebound.example' }],
  ] as const)
    expect((await get(url, headers)).status).toBe(404);

  const page = get(`${listener.redirectUri}?code=c&state=s`);
  const answer = await answered;
  expect(answer.parameters).toBe('code=c&state=s');
  expect((await get(`${listener.redirectUri}?code=c&state=s`)).status).toBe(404);
  answer.show('sign-in-failed-page', '<script>alert(1)</script>');
  const shown = await page;
  expect(shown.status).toBe(403);
  expect(shown.text).not.toContain('<script>');
  expect(shown.headers).toMatchObject({
    'referrer-policy': 'no-referrer',
    'content-security-policy': expect.stringMatching(/default-src 'none'.*frame-ancestors 'none'/),
  });
  listener.close();
});

it('opens https addresses in a browser and nothing else', async () => {
  for (const url of ['file:///etc/passwd', 'http://evil.example/', 'javascript:alert(1)', 'ssh://host/'])
    expect(await openBrowser(url, { DISPLAY: ':0' })).toBe(false);
  // Without a desktop there is nothing to open it in.
  expect(await openBrowser('https://login.example.org/', {})).toBe(false);
});

it('tells in its status who is signed in from who enrolled the laptop, and names nobody when that is over', async () => {
  const laptop = await world.startLaptop();
  await laptop.reach('connected');
  const status = async () =>
    JSON.parse((await get(`http://127.0.0.1:${laptop.port}/status`)).text) as Record<string, unknown>;
  expect(await status()).not.toHaveProperty('signedIn');
  const until = Math.floor(Date.now() / 1000) + 3600;
  saveSignIn(world.paths.signIn, { signIn: 'sealed', user: 'bob@example.org', expiresAt: until });
  const signed = await status();
  expect(signed).toMatchObject({
    user: 'alice@example.org',
    signedIn: { user: 'bob@example.org', until },
  });
  const rows = Object.fromEntries(statusRows(signed as never, 'fr'));
  expect(rows['Enrôlé par']).toBe('alice@example.org');
  expect(rows["Connecté (jusqu'à)"]).toMatch(/^bob@example\.org \(20/);
  saveSignIn(world.paths.signIn, { signIn: 'sealed', user: 'bob@example.org', expiresAt: until - 7200 });
  expect(await status()).not.toHaveProperty('signedIn');
});
