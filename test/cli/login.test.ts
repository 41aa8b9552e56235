import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { parse, parseDocument, stringify } from 'yaml';
import { makeInstallation } from '../control/installation.ts';
import type { Installation } from '../control/installation.ts';
import { startIdentityProvider } from '../lab/identity-provider.ts';
import type { ProviderLab } from '../lab/identity-provider.ts';
import { createWebBrowser } from '../lab/web-browser.ts';
import { runPostern } from './run-postern.ts';

vi.setConfig({ testTimeout: 90_000, hookTimeout: 120_000 });
const program = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

let made: Installation;
let provider: ProviderLab;
let server: ChildProcess;
let env: Record<string, string>;
let context: string;
let url: string;

beforeAll(async () => {
  provider = await startIdentityProvider();
  made = await makeInstallation();
  await writeFile(join(made.data, 'keys/sign-in-client.secret'), provider.clientSecret, { mode: 0o600 });
  await writeFile(join(made.data, 'provider-ca.pem'), provider.authorityPem);
  const document = parseDocument(await readFile(made.configFile, 'utf8'));
  document.setIn(
    ['signIn'],
    provider.settings({ authorities: 'provider-ca.pem', administratorDeviceCode: true }),
  );
  await writeFile(made.configFile, String(document));
  server = spawn(process.execPath, [program, 'serve', '--config', made.configFile, '--workers', '1'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  server.stderr?.resume();
  const line = await firstLine(server.stdout);
  const control = Number(/control=\S+?:(\d+)/.exec(line)?.[1]);
  url = `https://127.0.0.1:${control}`;
  context = join(made.directory, 'context.yaml');
  env = { POSTERN_CONTEXT: context };
  await writeFile(context, stringify({ server: url, apiKey: made.apiKey, ca: made.rootPem }), {
    mode: 0o600,
  });
  const { status } = await made.api(control, 'POST', '/v1/apply', {
    resources: [{ kind: 'Administrator', name: 'audit', role: 'auditor', members: ['alice@example.org'] }],
  });
  expect(status).toBe(200);
});
afterAll(async () => {
  const exited = once(server, 'exit');
  server.kill('SIGTERM');
  await exited;
  await provider.close();
  await made.remove();
});

async function firstLine(stream: NodeJS.ReadableStream | null): Promise<string> {
  if (stream === null) throw new TypeError('no output');
  const [line] = (await once(createInterface({ input: stream }), 'line')) as [string];
  return line;
}

async function login(args: readonly string[], person: (line: string) => Promise<void>) {
  const child = spawn(process.execPath, [program, 'login', ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  const ended = once(child, 'close');
  await person(await firstLine(child.stderr));
  const [code] = (await ended) as [number];
  return { code, out };
}
const addressIn = (line: string): string => /https:\S+/.exec(line)?.[0] ?? '';
const browser = () => createWebBrowser({ trust: [provider.authorityPem] });

it('signs in by the browser, works with the roles of the person, and gives way to the API key after a logout', async () => {
  const { code, out } = await login([], async (line) => {
    const person = createWebBrowser({
      trust: [provider.authorityPem],
      headers: { 'accept-language': 'fr-FR' },
    });
    const page = await person.open(addressIn(line));
    expect([page.status, page.url.hostname]).toEqual([200, '127.0.0.1']);
    expect(page.text).toContain('<h1>Retour au terminal</h1>');
  });
  expect([code, out]).toEqual([
    0,
    expect.stringMatching(/^Signed in at https:\S+ as alice@example\.org \(auditor\), until /),
  ]);
  expect((await stat(context)).mode & 0o777).toBe(0o600);
  const kept = parse(await readFile(context, 'utf8'));
  expect(kept).toMatchObject({ server: url, apiKey: made.apiKey, login: { user: 'alice@example.org' } });

  expect(await runPostern(['get', 'devices'], { env })).toMatchObject({ code: 0 });
  const refused = await runPostern(['enroll-token', 'create', '--user', 'x@example.org'], { env });
  expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('Not for your role')]);

  expect(await runPostern(['logout'], { env })).toMatchObject({
    code: 0,
    out: 'Signed out alice@example.org.\n',
  });
  expect(parse(await readFile(context, 'utf8'))).toEqual({
    server: url,
    apiKey: made.apiKey,
    ca: made.rootPem,
  });
  // The token itself is over, not only forgotten.
  const token = String(kept.login.token);
  expect(await runPostern(['get', 'devices', '--api-key', token], { env })).toMatchObject({ code: 2 });
  expect(await runPostern(['enroll-token', 'create', '--user', 'x@example.org'], { env })).toMatchObject({
    code: 0,
  });
});

it('signs in by a code, and says when a sign-in is over instead of taking the API key for it', async () => {
  const { code } = await login(['--device-code'], async (line) => {
    const other = browser();
    const form = await other.open(addressIn(line));
    const confirm = await other.submit(form, { user_code: /[A-Z]{4}-[A-Z]{4}/.exec(line)?.[0] ?? '' });
    await other.submit(confirm, { confirm: 'yes' });
  });
  expect(code).toBe(0);
  const kept = parse(await readFile(context, 'utf8'));
  await writeFile(context, stringify({ ...kept, login: { ...kept.login, expiresAt: 1 } }));
  const over = await runPostern(['get', 'devices'], { env });
  expect([over.code, over.err]).toEqual([1, expect.stringContaining('sign in again with postern login')]);
  expect(await runPostern(['logout'], { env })).toMatchObject({ code: 0 });
  expect(await runPostern(['get', 'devices'], { env })).toMatchObject({ code: 0 });
});

it('refuses whoever administers nothing, and changes nothing', async () => {
  provider.person = { account: 'bob' };
  const before = await readFile(context, 'utf8');
  const { code, out } = await login([], async (line) => void (await browser().open(addressIn(line))));
  expect([code, out]).toEqual([1, '']);
  expect(await readFile(context, 'utf8')).toBe(before);
});
