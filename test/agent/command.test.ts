import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { findLockHolder } from '../../agent/state/lock.ts';
import { formatEnrollmentToken } from '../../src/contract/enrollment-token.ts';
import { startControlServer } from './lab/control-server.ts';
import { curl } from './lab/proxy-client.ts';
import { makeWorld } from './lab/world.ts';
import type { World } from './lab/world.ts';

// Each test starts several processes, and a busy machine takes its time.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const main = fileURLToPath(new URL('../../agent/main.ts', import.meta.url));

let world: World;
let running: ChildProcess[];
beforeEach(async () => {
  world = await makeWorld();
  running = [];
});
afterEach(async () => {
  for (const child of running.filter(
    ({ exitCode, signalCode }) => exitCode === null && signalCode === null,
  )) {
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }
  await world.close();
});

function run(
  args: readonly string[],
  environment: Record<string, string> = {},
): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    const env = { POSTERN_AGENT_STATE: world.paths.directory, ...environment };
    execFile(process.execPath, [main, ...args], { env }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });
}

it('teaches each command with an example in its help', async () => {
  const commands = [...(await run(['--help'])).out.matchAll(/^ {2}([a-z]+) \[options\]/gm)];
  expect(commands.length).toBeGreaterThan(6);
  for (const [, command = ''] of commands)
    expect((await run([command, '--help'])).out).toMatch(/Examples?[^\n]*:\n {2}[^]*postern-agent /);
});

/** The agent in the foreground, once it says `ready`. */
async function up(
  args: readonly string[] = [],
): Promise<{ child: ChildProcess; ready: string; port: number; err: () => string }> {
  const child = spawn(process.execPath, [main, 'up', ...args], {
    env: { POSTERN_AGENT_STATE: world.paths.directory },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.push(child);
  let err = '';
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const [ready] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return { child, ready, port: Number(ready.split(':').at(-1)), err: () => err };
}

it('says ready with the address of its proxy, carries, tells its status, and ends with 0 on SIGTERM', async () => {
  world.gateway.apps.set('grants.apps.example.org', (stream) => {
    stream.respond({ ':status': 200 });
    stream.end('grants here');
  });
  const { child, ready, port } = await up();
  expect(ready).toMatch(/^ready http:\/\/127\.0\.0\.1:[0-9]+$/);
  expect(await curl(['--proxy', `http://127.0.0.1:${port}`, 'http://grants.apps.example.org/'])).toEqual({
    code: 0,
    output: 'grants here',
  });

  const json = await run(['status', '-o', 'json']);
  expect([json.code, JSON.parse(json.out)]).toEqual([0, expect.objectContaining({ state: 'connected' })]);
  const table = await run(['status'], { LANG: 'fr_FR.UTF-8' });
  expect(table.code).toBe(0);
  expect(table.out).toMatch(/^État +connecté\n/);
  expect((await run(['up'])).code).toBe(1);

  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  expect(await exited).toEqual([0, null]);
  expect(existsSync(world.paths.lock)).toBe(false);
});

it('says by status and exit code what is wrong', async () => {
  const stopped = await run(['status', '-o', 'json']);
  expect([stopped.code, JSON.parse(stopped.out)]).toEqual([1, { state: 'not-running' }]);
  await up();
  world.gateway.refuseAll = 'device-quarantined';
  const refused = await run(['status', '-o', 'json']);
  expect([refused.code, JSON.parse(refused.out)]).toEqual([1, expect.objectContaining({ state: 'refused' })]);
  await Promise.all([world.gateway.crash(), world.control.close()]);
  const unreachable = await run(['status']);
  expect(unreachable.code).toBe(3);
});

it('says why an application cannot be reached, by exit code too', async () => {
  expect((await run(['why', 'grants'])).code).toBe(3);
  await up();
  world.gateway.probes.set('grants', {
    status: 200,
    body: { app: 'grants', allowed: true, connected: true },
  });
  const fine = await run(['why', 'grants', '-o', 'json']);
  expect([fine.code, JSON.parse(fine.out)]).toEqual([0, expect.objectContaining({ ok: true })]);
  world.gateway.probes.clear();
  const denied = await run(['why', 'grants.apps.example.org'], { LANG: 'fr' });
  expect([denied.code, denied.out]).toEqual([
    1,
    expect.stringMatching(/^✓ Nom [^]*\n✗ Politique [^]*\n {10,}→ /),
  ]);
  expect((await run(['why'])).code).toBe(2);
});

it('prints a token and nothing else, without a running agent', async () => {
  const { code, out, err } = await run(['token']);
  expect([code, err]).toEqual([0, '']);
  expect([...world.control.tokens.keys()].map((token) => `${token}\n`)).toEqual([out]);

  world.control.refuse('/v1/device/token', 'device-revoked');
  const refused = await run(['token'], { LANG: 'fr' });
  expect([refused.code, refused.out]).toEqual([1, '']);
  expect(refused.err).toContain('device-revoked');
  await world.control.close();
  expect(await run(['token'])).toMatchObject({ code: 3, out: '' });
});

it('states a posture only when told to, and says each time that this is unsafe', async () => {
  const file = join(world.paths.directory, 'posture.json');
  writeFileSync(file, '{"diskEncrypted": true}');
  const token = await run(['token', '--unsafe-posture', file]);
  expect(token.err).toContain('UNSAFE');
  const { body } = await world.control.request('/v1/device/token');
  expect(body).toMatchObject({ posture: { checks: { diskEncrypted: true, secureBoot: 'unknown' } } });
  const { err } = await up(['--unsafe-posture', file]);
  expect(err()).toContain('UNSAFE');
  writeFileSync(file, '{"diskEncrypted": "yes"}');
  expect(await run(['token', '--unsafe-posture', file])).toMatchObject({ code: 2, out: '' });
});

it('leaves: stops the agent, deletes what was ours, and says that the security team has a part in it', async () => {
  const { child } = await up();
  const exited = once(child, 'exit');
  const { code, out } = await run(['leave']);
  expect(code).toBe(0);
  expect(out).toContain('d-laptop');
  expect(await exited).toEqual([0, null]);
  expect(existsSync(world.paths.directory)).toBe(false);
  expect((await run(['leave'])).code).toBe(2);
});

it('leaves with the control plane told, which revokes the device and is asked to do no more', async () => {
  world.control.instead.set('/v1/device/leave', async () => ({ firewall: 'signed.by.control' }));
  const { code, out } = await run(['leave']);
  expect([code, out]).toEqual([0, expect.stringContaining('device d-laptop is revoked')]);
  expect((await world.control.request('/v1/device/leave')).thumbprint).toBeDefined();
  expect(existsSync(world.paths.directory)).toBe(false);
});

it('is taken over after it was killed, though its lock is still there', async () => {
  const { child } = await up();
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
  expect(existsSync(world.paths.lock)).toBe(true);
  expect(findLockHolder(world.paths.lock)).toBeUndefined();
  expect((await up()).ready).toMatch(/^ready /);
});

it('enrolls and comes up with nothing but what it was told', async () => {
  const token = formatEnrollmentToken({
    rootFingerprint: world.organization.rootFingerprint,
    id: 'a'.repeat(16),
    secret: 'b'.repeat(43),
  });
  const directory = join(world.paths.directory, 'fresh');
  const enrolled = await run(['enroll', world.control.url, token, '--state', directory, '--proxy-port', '0']);
  expect([enrolled.code, enrolled.err]).toEqual([0, '']);
  expect(enrolled.out).toContain('alice@example.org');
  expect((await up(['--state', directory])).ready).toMatch(/^ready /);
  expect((await run(['enroll', world.control.url, token, '--state', directory])).code).toBe(1);
});

it('enrolls once the control plane can be reached, and ends at once when it is told to meanwhile', async () => {
  const { port, url } = world.control;
  await world.control.close();
  const [file, token] = [join(world.paths.directory, 'fleet.yaml'), join(world.paths.directory, 'token')];
  const secret = { id: 'a'.repeat(16), secret: 'b'.repeat(43) };
  writeFileSync(
    token,
    formatEnrollmentToken({ rootFingerprint: world.organization.rootFingerprint, ...secret }),
    { mode: 0o600 },
  );
  writeFileSync(file, `control: ${url}\nenrollmentTokenFile: ${token}\nproxyPort: 0\n`, { mode: 0o644 });
  const start = (directory: string): ChildProcess => {
    const state = join(world.paths.directory, directory);
    const child = spawn(process.execPath, [main, 'up', '--state', state, '--config', file], {
      env: {},
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.push(child);
    return child;
  };
  const first = start('first');
  expect(String((await once(first.stderr as Readable, 'data'))[0])).toContain(url);
  first.kill('SIGTERM');
  expect(await once(first, 'exit')).toEqual([0, null]);
  expect(existsSync(token)).toBe(true);

  const second = start('second');
  await once(second.stderr as Readable, 'data');
  const control = await startControlServer({ organization: world.organization, port });
  try {
    await control.request('/v1/enroll');
    await control.request('/v1/device/config');
  } finally {
    await control.close();
  }
});

it.each([
  [['nonsense'], 2],
  [[], 2],
  [['enroll', 'https://127.0.0.1:1'], 2],
  [['enroll', 'https://127.0.0.1:1', 'x'], 2],
  [['up', '--proxy-port', '70000'], 2],
  [['up', '--state', '/nonexistent/postern'], 2],
  [['status', '-o', 'xml'], 2],
  [['--help'], 0],
  [['up', '--help'], 0],
  [['--version'], 0],
])('ends %j with exit code %i', async (args, expected) => {
  expect((await run(args)).code).toBe(expected);
});
