import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createScrub } from '../../agent/doctor/scrub.ts';
import { createRecentLog } from '../../agent/recent-log.ts';
import { saveSignIn } from '../../agent/state/kept-sign-in.ts';
import { ask } from './lab/proxy-client.ts';
import { makeWorld } from './lab/world.ts';
import type { World } from './lab/world.ts';

const main = fileURLToPath(new URL('../../agent/main.ts', import.meta.url));
let world: World;
let directory: string;
beforeEach(async () => {
  world = await makeWorld();
  directory = mkdtempSync(join(tmpdir(), 'postern-doctor-'));
});
afterEach(async () => {
  await world.close();
  rmSync(directory, { recursive: true, force: true });
});

const run = (program: string, args: readonly string[], env: Record<string, string> = {}) =>
  new Promise<{ code: number; out: string; err: string }>((resolve) => {
    execFile(program, args, { env: { PATH: process.env['PATH'] ?? '', ...env } }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });
const doctor = (env: Record<string, string> = {}) =>
  run(process.execPath, [main, 'doctor', '--output', join(directory, 'laptop.tar')], {
    POSTERN_AGENT_STATE: world.paths.directory,
    ...env,
  });
/** What Debian's tar finds in it. */
async function unpack(): Promise<{ names: string[]; read: (name: string) => string; all: string }> {
  const tar = join(directory, 'laptop.tar');
  await run('tar', ['-xf', tar, '-C', directory]);
  const names = (await run('tar', ['-tf', tar])).out.trim().split('\n');
  const read = (name: string): string => readFileSync(join(directory, name), 'utf8');
  return { names, read, all: names.map(read).join('\n') };
}

const jwt = `eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.${'c'.repeat(86)}`;

it('bundles status, the walk to each application, versions, network and log, and nothing that is secret', async () => {
  saveSignIn(world.paths.signIn, {
    signIn: 'sealed-canary-0123456789',
    user: 'alice@example.org',
    expiresAt: Math.floor(Date.now() / 1000) + 3600,
  });
  const key = readFileSync(world.paths.key, 'utf8');
  const [, keyLine = ''] = key.split('\n');
  const laptop = await world.startLaptop({
    recentLog: () => [
      '{"level":40,"state":"gateway-unreachable","msg":"no gateway session"}',
      `{"msg":"planted ${jwt} and Bearer bearer-canary and cookie: id=cookie-canary; b=2"}`,
      `planted ${key.trim()} and ${keyLine} and sealed-canary-0123456789`,
    ],
  });
  await laptop.reach('connected');
  await laptop.status();
  const probe = { status: 200, body: { app: 'grants', allowed: true, connected: true } };
  world.gateway.probes.set('grants', probe);
  const { code, out } = await doctor({ https_proxy: 'http://me:proxy-canary@proxy.example.org:3128' });
  expect(code).toBe(0);
  expect(out).toContain(join(directory, 'laptop.tar'));
  const { names, read, all } = await unpack();
  expect(names).toEqual([
    'README.txt',
    'status.json',
    'why.json',
    'why/grants.json',
    'why/ledger.json',
    'log.txt',
    'versions.json',
    'network.json',
    'certificates.json',
    'files.json',
    'agent.yaml',
  ]);
  for (const name of names.slice(1)) expect(out).toContain(name);
  expect(JSON.parse(read('status.json'))).toMatchObject({ state: 'connected', device: 'd-laptop' });
  expect(JSON.parse(read('why.json'))).toEqual([
    { app: 'grants', result: 'ok' },
    { app: 'ledger', result: 'policy' },
  ]);
  expect(JSON.parse(read('why/ledger.json'))).toMatchObject({ failed: 'policy' });
  expect(read('log.txt')).toContain('no gateway session');
  expect(JSON.parse(read('certificates.json'))).toMatchObject({
    device: { serialNumber: expect.any(String) },
  });
  expect(JSON.parse(read('network.json'))).toMatchObject({
    proxies: { https_proxy: 'http://[removed]@proxy.example.org:3128' },
  });
  expect(JSON.parse(read('files.json'))).toContainEqual(
    expect.objectContaining({ name: 'device.key', mode: '0600', isOurs: true }),
  );
  const tokens = [...world.control.tokens.keys()];
  expect(tokens.length).toBeGreaterThan(0);
  for (const secret of [...tokens, jwt, keyLine, 'PRIVATE KEY', 'canary']) expect(all).not.toContain(secret);
  expect(statSync(join(directory, 'laptop.tar')).mode & 0o777).toBe(0o600);
});

it('bundles what there is when no agent runs, and says that none does', async () => {
  const { code, out } = await doctor({ LANG: 'fr' });
  expect([code, out]).toEqual([0, expect.stringContaining("L'agent n'est pas lancé")]);
  const { names, read } = await unpack();
  expect(JSON.parse(read('status.json'))).toEqual({ state: 'not-running' });
  expect(names).toContain('versions.json');
  expect(names.some((name) => name.startsWith('why'))).toBe(false);
});

it('overwrites no file, and says where it cannot write', async () => {
  writeFileSync(join(directory, 'laptop.tar'), 'mine');
  const { code, err } = await doctor();
  expect([code, err]).toEqual([2, expect.stringContaining('--output')]);
  expect(readFileSync(join(directory, 'laptop.tar'), 'utf8')).toBe('mine');
});

it('shows the log to no web page', async () => {
  const laptop = await world.startLaptop({ recentLog: () => ['a line'] });
  expect((await ask(laptop.port, '/log')).body).toBe('["a line"]\n');
  for (const headers of [{ host: 'evil.example' }, { origin: 'https://evil.example' }])
    expect((await ask(laptop.port, '/log', { headers })).body).not.toContain('a line');
});

it.each([
  [`x ${jwt} y`, 'x [removed] y'],
  ['token pet1.abc.def.ghi', 'token [removed]'],
  ['proxy-authorization: Bearer abc.def', 'proxy-authorization: Bearer [removed]'],
  ['"set-cookie":"__Host-postern=abc; Path=/"', '"set-cookie":"[removed]"'],
  ['https://control/x?code_verifier=abc&state=1', 'https://control/x?code_verifier=[removed]&state=1'],
  ['{"password":"a b"}', '{"password":"[removed]"}'],
  ['https://u:p@host/', 'https://[removed]@host/'],
  ['-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\nkept', '[removed]\nkept'],
  ['-----BEGIN EC PRIVATE KEY-----\nabc cut off', '[removed]'],
  [
    'tokenExpiresAt: 1790000000, step token, user alice@example.org',
    'tokenExpiresAt: 1790000000, step token, user alice@example.org',
  ],
])('takes the secret out of %j', (text, expected) => {
  expect(createScrub(world.paths)(text)).toBe(expected);
});

it('keeps the last lines of the log and no more', () => {
  const recent = createRecentLog();
  for (let line = 0; line < 2000; line += 1) recent.write(`${line}\n`);
  expect([recent.lines().length, recent.lines().at(-1), recent.lines()[0]]).toEqual([300, '1999', '1700']);
  recent.write('x'.repeat(10_000));
  expect(recent.lines().at(-1)?.length).toBe(2000);
});
