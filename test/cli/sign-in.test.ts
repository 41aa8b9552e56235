import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { parseDocument } from 'yaml';
import { makeInstallation } from '../control/installation.ts';
import type { Installation } from '../control/installation.ts';
import { curl } from '../agent/lab/proxy-client.ts';
import { startApplication } from '../lab/app-server.ts';
import { chromiumMissing, startChromium } from '../lab/chromium.ts';
import { startIdentityProvider } from '../lab/identity-provider.ts';
import type { ProviderLab } from '../lab/identity-provider.ts';
import { createWebBrowser } from '../lab/web-browser.ts';
import { runPostern } from './run-postern.ts';

// Each test starts several processes, and a busy machine takes its time.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const postern = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const posternAgent = fileURLToPath(new URL('../../agent/main.ts', import.meta.url));

let made: Installation;
let provider: ProviderLab;
let running: ChildProcess[];
let control: number;
let state: string;

beforeEach(async () => {
  running = [];
  provider = await startIdentityProvider();
  made = await makeInstallation();
  state = join(made.directory, 'laptop');
  await writeFile(join(made.data, 'keys/sign-in-client.secret'), provider.clientSecret, { mode: 0o600 });
  await writeFile(join(made.data, 'provider-ca.pem'), provider.authorityPem);
  const document = parseDocument(await readFile(made.configFile, 'utf8'));
  document.setIn(['gateway', 'addresses'], ['127.0.0.1:0']);
  document.setIn(['signIn'], provider.settings({ authorities: 'provider-ca.pem' }));
  await writeFile(made.configFile, String(document));
  control = await serve();
  const { body } = await made.api(control, 'POST', '/v1/enrollment-tokens', { user: 'alice@example.org' });
  const enrolled = await agent([
    'enroll',
    `https://127.0.0.1:${control}`,
    String(body.token),
    '--proxy-port',
    '0',
  ]);
  expect(enrolled).toMatchObject({ code: 0 });
});
afterEach(async () => {
  for (const child of running.filter((one) => one.exitCode === null && one.signalCode === null)) {
    const exited = once(child, 'exit');
    // A server ends what it started, which still writes; an agent ends at once.
    child.kill('SIGTERM');
    await exited;
  }
  await provider.close();
  await made.remove();
});

function start(program: string, args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [program, ...args], {
    env: { POSTERN_AGENT_STATE: state },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.push(child);
  return child;
}

const firstLine = async (stream: NodeJS.ReadableStream | null, holding = ''): Promise<string> => {
  if (stream === null) throw new TypeError('no output');
  for await (const line of createInterface({ input: stream })) if (line.includes(holding)) return line;
  throw new Error(`ended without ${holding}`);
};

async function serve(): Promise<number> {
  const server = start(postern, ['serve', '--config', made.configFile, '--workers', '1']);
  server.stderr?.resume();
  const line = await firstLine(server.stdout);
  return Number(/control=\S+?:(\d+)/.exec(line)?.[1]);
}

function agent(args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    const env = { POSTERN_AGENT_STATE: state };
    execFile(process.execPath, [posternAgent, ...args], { env }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });
}

const addressIn = (line: string): string => /https:\S+/.exec(line)?.[0] ?? '';
const browser = () => createWebBrowser({ trust: [provider.authorityPem] });

it('gives nobody a code to administer with unless the settings allow it, and says how they do', async () => {
  const login = await runPostern(['login', '--device-code'], {
    env: {
      POSTERN_SERVER: `https://127.0.0.1:${control}`,
      POSTERN_CA: join(made.data, 'certs/root.crt'),
      POSTERN_CONTEXT: join(made.directory, 'context.yaml'),
    },
  });
  expect([login.code, login.out]).toEqual([1, '']);
  expect(login.err).toContain('`signIn.administratorDeviceCode: true` in postern.yaml');
});

it('signs in by the browser, keeps who is signed in over a restart of the control plane, and signs out', async () => {
  expect(await agent(['token'])).toMatchObject({ code: 1, err: expect.stringContaining('sign-in-required') });

  const login = start(posternAgent, ['login', '--print']);
  const ended = once(login, 'close');
  const printed = firstLine(login.stdout);
  const page = await browser().open(addressIn(await firstLine(login.stderr, 'https:')));
  expect([page.status, page.url.hostname]).toEqual([200, '127.0.0.1']);
  expect(page.text).toContain('You are signed in');
  expect(await printed).toMatch(/^Signed in as alice@example\.org, until \d{4}-/);
  expect((await ended)[0]).toBe(0);
  expect((await stat(join(state, 'sign-in.json'))).mode & 0o777).toBe(0o600);

  const token = await agent(['token']);
  expect(token.code).toBe(0);
  const claims = JSON.parse(Buffer.from(token.out.split('.')[1] ?? '', 'base64url').toString());
  expect(claims).toMatchObject({ sub: 'alice@example.org', claims: { groups: ['finance', 'staff'] } });

  // Another process at another time, which knows nothing of the one before but its keys.
  running[0]?.kill('SIGKILL');
  await once(running[0] as ChildProcess, 'exit');
  const document = parseDocument(await readFile(made.configFile, 'utf8'));
  document.setIn(['control', 'port'], control);
  await writeFile(made.configFile, String(document));
  expect(await serve()).toBe(control);
  expect(await agent(['token'])).toMatchObject({ code: 0 });

  expect(await agent(['logout'])).toMatchObject({ code: 0, out: 'Signed out.\n' });
  expect(existsSync(join(state, 'sign-in.json'))).toBe(false);
  expect(await agent(['token'])).toMatchObject({ code: 1, err: expect.stringContaining('sign-in-required') });
  expect(await agent(['logout'])).toMatchObject({ code: 0, out: 'Nobody was signed in.\n' });
});

it('asks by itself in a running agent, goes on as soon as someone signed in, and stays out after a logout', async () => {
  const up = start(posternAgent, ['up']);
  const errors: string[] = [];
  const lines = createInterface({ input: up.stderr as NodeJS.ReadableStream });
  lines.on('line', (line) => errors.push(line));
  const ready = firstLine(up.stdout, 'ready');
  const address = await vi.waitUntil(() => errors.map(addressIn).find((url) => url !== ''), {
    timeout: 60_000,
  });
  const status = await agent(['status', '-o', 'json']);
  expect(JSON.parse(status.out)).toMatchObject({ state: 'sign-in-required' });

  provider.person = { account: 'bob' };
  const wrong = await browser().open(address);
  expect([wrong.status, wrong.text]).toEqual([
    403,
    expect.stringContaining('Another user than the one who enrolled'),
  ]);

  provider.person = { account: 'alice' };
  const login = start(posternAgent, ['login', '--print']);
  await browser().open(addressIn(await firstLine(login.stderr, 'https:')));
  // The agent was told: it does not wait for its next try.
  expect(await ready).toMatch(/^ready http:/);
  const connected = await agent(['status', '-o', 'json']);
  expect([connected.code, JSON.parse(connected.out)]).toEqual([
    0,
    expect.objectContaining({ state: 'connected' }),
  ]);

  expect(await agent(['logout'])).toMatchObject({ code: 0 });
  const asked = errors.filter((line) => addressIn(line) !== '').length;
  await vi.waitUntil(async () => (await agent(['status', '-o', 'json'])).out.includes('sign-in-required'), {
    timeout: 60_000,
  });
  expect(errors.filter((line) => addressIn(line) !== '').length).toBe(asked);
});

it('asks for a second factor that an https application takes, though its page comes inside the TLS of a browser', async () => {
  const application = await startApplication('grants');
  try {
    const { status } = await made.api(control, 'POST', '/v1/apply', {
      resources: [
        { kind: 'Network', name: 'finance', attach: { direct: true } },
        {
          kind: 'App',
          name: 'grants',
          network: 'finance',
          host: 'grants.apps.example.org',
          protocol: 'http',
          upstreams: [application.url],
        },
        {
          kind: 'Policy',
          name: 'grants-factors',
          cedar: 'permit (principal, action, resource == App::"grants") when { context.signIn.mfa };',
        },
      ],
    });
    expect(status).toBe(200);
    const up = start(posternAgent, ['up']);
    const addresses: string[] = [];
    createInterface({ input: up.stderr as NodeJS.ReadableStream }).on('line', (line) => {
      if (addressIn(line) !== '') addresses.push(addressIn(line));
    });
    const ready = firstLine(up.stdout, 'ready');
    const asked = (times: number) =>
      vi.waitUntil(() => addresses[times - 1], { timeout: 60_000, interval: 20 });
    await browser().open(await asked(1));
    const proxy = /http:\/\/127\.0\.0\.1:\d+/.exec(await ready)?.[0] ?? '';
    const root = join(made.data, 'certs/root.crt');
    const ask = () => curl(['--proxy', proxy, '--cacert', root, 'https://grants.apps.example.org/']);

    expect((await ask()).output).toContain('"code":"mfa-required"');
    const again = new URL(await asked(2));
    expect(again.searchParams.get('prompt')).toBe('login');
    const { out } = await agent(['status', '-o', 'json']);
    expect(JSON.parse(out)).toMatchObject({ lastRefusal: { code: 'mfa-required' } });

    provider.person = { account: 'alice', amr: ['mfa'] };
    await browser().open(again.href);
    await vi.waitUntil(async () => (await ask()).output.includes('"application":"grants"'), {
      timeout: 60_000,
      interval: 200,
    });
    expect(addresses).toHaveLength(2);
  } finally {
    application.close();
  }
});

it('signs in by a code that is entered on another machine', async () => {
  const login = start(posternAgent, ['login', '--device-code']);
  const printed = firstLine(login.stdout);
  const line = await firstLine(login.stderr, 'code');
  const other = browser();
  const form = await other.open(addressIn(line));
  const confirm = await other.submit(form, { user_code: /[A-Z]{4}-[A-Z]{4}/.exec(line)?.[0] ?? '' });
  expect((await other.submit(confirm, { confirm: 'yes' })).text).toContain('Sign-in Success');
  expect(await printed).toContain('Signed in as alice@example.org');
  expect(await agent(['token'])).toMatchObject({ code: 0 });
});

it('says what to do when the provider is away, and changes nothing', async () => {
  await provider.close();
  const { code, out, err } = await agent(['login', '--print']);
  expect([code, out]).toEqual([3, '']);
  expect(err).toContain('Identity provider does not answer');
  expect(existsSync(join(state, 'sign-in.json'))).toBe(false);
  await provider.open();
});

it.skipIf(chromiumMissing !== undefined)(
  `signs in by the button of the status page, in the browser that shows it, where the agent itself can open none ${chromiumMissing ?? ''}`,
  async () => {
    const up = start(posternAgent, ['up']);
    up.stderr?.resume();
    const ready = firstLine(up.stdout, 'ready');
    const page = await vi.waitUntil(
      async () => {
        const { out } = await agent(['status', '-o', 'json']);
        const { state: now, proxy } = JSON.parse(out || '{}') as { state?: string; proxy?: string };
        return now === 'sign-in-required' ? `http://${proxy}/` : undefined;
      },
      { timeout: 60_000 },
    );
    const chromium = await startChromium([provider.authorityPem]);
    try {
      await chromium.open(page);
      await chromium.read('Please sign in');
      await chromium.click('button[value="sign-in"]');
      await chromium.read('You are signed in');
      expect(await chromium.address()).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/sign-in\?/);
      expect(await ready).toMatch(/^ready http:/);
      await chromium.open(page);
      const text = await chromium.read('Connected');
      expect(text).toContain('alice@example.org');
    } finally {
      await chromium.close();
    }
  },
);
