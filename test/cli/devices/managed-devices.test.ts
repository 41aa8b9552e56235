import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { parseDocument } from 'yaml';
import { makeInstallation } from '../../control/installation.ts';
import type { Installation } from '../../control/installation.ts';
import { hasOpenssl, openssl, opensslHint } from '../../lab/openssl.ts';
import { createScepClient } from '../../lab/scep-client.ts';
import { runPostern } from '../run-postern.ts';
import type { Run } from '../run-postern.ts';

vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });
const program = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));
let made: Installation;
let server: ChildProcess;
let port: number;
const at = (name: string): string => join(made.directory, name);
const postern = (...args: string[]): Promise<Run> =>
  runPostern(args, {
    env: {
      POSTERN_SERVER: `https://127.0.0.1:${port}`,
      POSTERN_API_KEY: made.apiKey,
      POSTERN_CA: at('root.pem'),
    },
  });

beforeAll(async () => {
  made = await makeInstallation();
  await writeFile(at('root.pem'), made.rootPem);
  await writeFile(at('password'), 'correct horse\n', { mode: 0o600 });
  const settings = parseDocument(await readFile(made.configFile, 'utf8'));
  settings.setIn(['scep'], true);
  await writeFile(made.configFile, String(settings));
  const alone = await runPostern(['serve', '--role', 'control', '--config', made.configFile]);
  expect(alone.code).toBe(2);
  expect(alone.err).toContain('scep: needs `managedDevices: true`');
  settings.setIn(['managedDevices'], true);
  await writeFile(made.configFile, String(settings));
  const early = await runPostern(['serve', '--role', 'control', '--config', made.configFile]);
  expect(early.code).toBe(2);
  expect(early.err).toContain('run `postern managed-devices init`');
  const first = await runPostern(['managed-devices', 'init', '--config', made.configFile]);
  expect(first).toMatchObject({ code: 0, err: '' });
  const authority = new X509Certificate(await readFile(join(made.data, 'certs/managed-authority.crt')));
  expect(first.out).toContain(authority.fingerprint256);
  server = spawn(process.execPath, [program, 'serve', '--role', 'control', '--config', made.configFile], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (server.stdout === null) throw new TypeError('no output');
  const [ready] = (await once(createInterface({ input: server.stdout }), 'line')) as [string];
  port = Number(/control=https:\/\/127\.0\.0\.1:(\d+)/.exec(ready)?.[1]);
});
afterAll(async () => {
  server.kill('SIGTERM');
  await once(server, 'exit');
  await made.remove();
});

it('makes the authority once, with keys that nobody else can read', async () => {
  const key = join(made.data, 'keys/managed-authority.key');
  expect(statSync(key).mode & 0o077).toBe(0);
  const before = readFileSync(key);
  const again = await runPostern(['managed-devices', 'init', '--config', made.configFile]);
  expect(again).toMatchObject({ code: 2, out: '' });
  expect(again.err).toContain('already; nothing was touched');
  expect(readFileSync(key).equals(before)).toBe(true);
});

/** What a device with this certificate is answered. */
async function askToken(pem: string): Promise<number | undefined> {
  const outgoing = request({
    ...{ host: '127.0.0.1', port, ca: made.rootPem, cert: pem, key: pem, agent: false },
    method: 'POST',
    path: '/v1/device/token',
    headers: { 'content-type': 'application/json' },
  });
  outgoing.end('{}');
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  response.resume();
  return response.statusCode;
}

describe.skipIf(!hasOpenssl)(`postern device bundle${opensslHint}`, () => {
  it('writes a bundle that OpenSSL opens with its password alone, whose device gets a token until it is revoked', async () => {
    const out = at('phone.p12');
    const run = await postern(
      ...['device', 'bundle', '--user', 'alice@example.org', '--out', out],
      ...['--password-file', at('password')],
    );
    expect(run).toMatchObject({ code: 0, err: '' });
    const device = /device (d-[a-z2-7]+) of alice@example\.org/.exec(run.out)?.[1] ?? '';
    expect(statSync(out).mode & 0o077).toBe(0);

    const opened = openssl(['pkcs12', '-in', out, '-passin', 'pass:correct horse', '-nodes']);
    expect(opened.code).toBe(0);
    expect(opened.out).toContain('PRIVATE KEY');
    expect(openssl(['pkcs12', '-in', out, '-passin', 'pass:battery staple', '-nodes']).code).not.toBe(0);
    const info = openssl(['pkcs12', '-in', out, '-passin', 'pass:correct horse', '-info', '-noout']).err;
    expect(info).toContain('AES-256-CBC');
    expect(info).not.toContain('RC2');

    expect(await askToken(opened.out)).toBe(200);
    const shown = await postern('device', 'show', device, '-o', 'json');
    expect(JSON.parse(shown.out)).toMatchObject({
      state: 'active',
      keyMadeElsewhere: true,
      certificates: [{ managed: true }],
      changes: [{ by: 'api-key:admin', reason: 'bundle' }],
    });
    await postern('device', 'revoke', device, '--reason', 'phone sold');
    expect(await askToken(opened.out)).toBe(403);
  });

  it('overwrites no file, takes no short password, and leaves nothing behind when the server says no', async () => {
    await writeFile(at('precious.p12'), 'precious');
    await writeFile(at('short'), '1234\n');
    const bundle = (out: string, password: string, user = 'alice@example.org') =>
      postern('device', 'bundle', '--user', user, '--out', at(out), '--password-file', at(password));
    expect(await bundle('precious.p12', 'password')).toMatchObject({ code: 2 });
    expect(await readFile(at('precious.p12'), 'utf8')).toBe('precious');
    expect(await bundle('new.p12', 'short')).toMatchObject({ code: 2 });
    const denied = await runPostern(
      ['device', 'bundle', '--user', 'a', '--out', at('new.p12'), '--password-file', at('password')],
      {
        env: {
          POSTERN_SERVER: `https://127.0.0.1:${port}`,
          POSTERN_API_KEY: 'wrong',
          POSTERN_CA: at('root.pem'),
        },
      },
    );
    expect(denied.code).not.toBe(0);
    expect(() => statSync(at('new.p12'))).toThrow('ENOENT');
  });
});

describe.skipIf(!hasOpenssl)(`postern enroll-token create --scep${opensslHint}`, () => {
  it('gives a challenge with which one device gets its certificate by SCEP, and the next does not', async () => {
    const [file = '', ...others] = readdirSync(join(made.data, 'keys/scep'));
    expect(others).toEqual([]);
    const key = join(made.data, 'keys/scep', file);
    expect(statSync(key).mode & 0o077).toBe(0);
    expect(readFileSync(key).equals(readFileSync(join(made.data, 'keys/managed-authority.key')))).toBe(false);
    const run = await postern('enroll-token', 'create', '--scep', '--user', 'alice@example.org');
    expect(run).toMatchObject({ code: 0, err: '' });
    const [challenge = ''] = run.out.split('\n');
    expect(challenge.length).toBeLessThanOrEqual(64);
    expect(run.out).toContain(`https://127.0.0.1:${port}/v1/scep`);
    const authority = readFileSync(join(made.data, 'certs/managed-authority.crt'), 'utf8');
    const statuses: (string | undefined)[] = [];
    for (const device of [0, 1].map(() => createScepClient({ port, rootPem: made.rootPem }))) {
      const { bytes } = await device.post(await device.message({ challenge }));
      const { attributes, chainPem } = device.open(bytes, authority);
      statuses.push(attributes.pkiStatus);
      if (chainPem !== '') expect(await askToken(chainPem + device.keyPem)).toBe(200);
      device.remove();
    }
    expect(statuses).toEqual(['0', '2']);
  });
});
