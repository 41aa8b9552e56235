import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { chmod, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { parseDocument } from 'yaml';
import { createKeyAndRequest } from '../../../certs/request.ts';
import { enrollLaptop } from '../../../src/cli/demo/laptop.ts';
import type { Laptop } from '../../../src/cli/demo/laptop.ts';
import { createRunner } from '../../../src/cli/demo/processes.ts';
import type { Runner } from '../../../src/cli/demo/processes.ts';
import { findFreePort } from '../../../src/control/free-port.ts';
import { makeInstallation } from '../../control/installation.ts';
import type { Installation } from '../../control/installation.ts';
import { startApplication } from '../../lab/app-server.ts';
import type { LabServer } from '../../lab/app-server.ts';
import { runPostern } from '../run-postern.ts';

// Servers, agents and a passphrase that costs seconds on purpose; a busy machine takes its time.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 });

const program = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));
const url = 'https://grants.apps.example.org/';

let made: Installation;
let application: LabServer;
let runner: Runner;
let controlPort: number;
let server: ChildProcess | undefined;
const laptops: Laptop[] = [];
beforeEach(async () => {
  made = await makeInstallation();
  application = await startApplication('grants');
  controlPort = await findFreePort('127.0.0.1');
  const gatewayPort = await findFreePort('127.0.0.1');
  const settings = parseDocument(await readFile(made.configFile, 'utf8'));
  settings.setIn(['control', 'port'], controlPort);
  settings.setIn(['gateway', 'port'], gatewayPort);
  settings.setIn(['gateway', 'addresses'], [`127.0.0.1:${gatewayPort}`]);
  await writeFile(made.configFile, String(settings));
  const caFile = join(made.directory, 'root.crt');
  await writeFile(caFile, made.rootPem);
  await writeFile(join(made.directory, 'passphrase'), 'correct horse battery\n', { mode: 0o600 });
  runner = createRunner({
    ...process.env,
    POSTERN_CONTEXT: join(made.directory, 'context.yaml'),
    POSTERN_SERVER: `https://localhost:${controlPort}`,
    POSTERN_API_KEY: made.apiKey,
    POSTERN_CA: caFile,
  });
});
afterEach(async () => {
  for (const laptop of laptops.splice(0)) await laptop.close();
  await runner.stopAll();
  await kill();
  application.close();
  await made.remove();
});

async function serve(data: string): Promise<void> {
  server = spawn(
    process.execPath,
    [program, 'serve', '--config', join(data, 'postern.yaml'), '--workers', '1'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    },
  );
  if (server.stdout === null) throw new TypeError('no output');
  const [line] = (await once(createInterface({ input: server.stdout }), 'line')) as [string];
  expect(line).toMatch(/^ready /);
}

/** The worst day: no drain and no last words of any process of the server. */
async function kill(): Promise<void> {
  if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
  const gone = once(server, 'close');
  process.kill(-Number(server.pid), 'SIGKILL');
  await gone;
  server = undefined;
}

const resources = (port: number): string => `
kind: Network
name: finance
attach: { direct: true }
---
kind: App
name: grants
network: finance
host: grants.apps.example.org
protocol: http
upstreams: [http://127.0.0.1:${port}]
---
kind: Policy
name: all
cedar: permit (principal, action == Action::"access", resource == App::"grants");
`;

const laptop = async (name: string): Promise<Laptop> => {
  const state = join(made.directory, name);
  const enrolled = await enrollLaptop(
    runner,
    `https://localhost:${controlPort}`,
    state,
    `${name}@example.org`,
  );
  laptops.push(enrolled);
  return enrolled;
};

const answerOf = async (who: Laptop): Promise<number> => {
  try {
    return (await who.get(url)).status;
  } catch {
    return 0;
  }
};

const postern = (...args: readonly string[]) =>
  runPostern(args, { env: { POSTERN_BACKUP_PASSPHRASE_FILE: join(made.directory, 'passphrase') } });

/** As an agent speaks to the control plane. */
async function asDevice(
  client: { cert: string; key: string },
  path: string,
  body: object,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const payload = JSON.stringify(body);
  const outgoing = request({
    host: '127.0.0.1',
    port: controlPort,
    method: 'POST',
    path,
    ca: made.rootPem,
    agent: false,
    ...client,
    headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) },
  });
  outgoing.end(payload);
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return { status: response.statusCode ?? 0, body: JSON.parse(text) as Record<string, unknown> };
}

it('brings back a gateway to which laptops reconnect by themselves, except the one that was revoked after the backup', async () => {
  await serve(made.data);
  await writeFile(join(made.directory, 'resources.yaml'), resources(application.port));
  await runner.run('postern', ['apply', '-f', join(made.directory, 'resources.yaml')]);
  const alice = await laptop('alice');
  const mallory = await laptop('mallory');
  expect([await answerOf(alice), await answerOf(mallory)]).toEqual([200, 200]);

  const file = join(made.directory, 'backup.age');
  const backup = await postern('backup', file, '--config', made.configFile);
  expect(backup).toMatchObject({ code: 0 });
  await runner.run('postern', ['device', 'revoke', mallory.device, '--reason', 'stolen']);
  await kill();
  const old = join(made.directory, 'old');
  await rename(made.data, old);
  expect(await answerOf(alice)).not.toBe(200);

  const restored = join(made.directory, 'restored');
  const restore = await postern('restore', file, '--data', restored, '--keep-revocations-from', old);
  expect(restore).toMatchObject({ code: 0, err: '' });
  expect(restore.out).toContain(
    `device ${mallory.device} is revoked: stolen (revoked by api-key:admin after the backup)`,
  );
  await serve(restored);
  await vi.waitFor(async () => expect(await answerOf(alice)).toBe(200), { timeout: 120_000, interval: 200 });
  expect(await answerOf(mallory)).not.toBe(200);
  const { body } = await made.api(controlPort, 'GET', `/v1/devices/${mallory.device}`);
  expect(body.state).toBe('revoked');
});

it('knows a laptop again that renewed its certificate after the backup, where no ledger survived', async () => {
  await serve(made.data);
  const { body: token } = await made.api(controlPort, 'POST', '/v1/enrollment-tokens', {
    user: 'alice@example.org',
  });
  const first = await createKeyAndRequest();
  const { body: enrolled } = await made.api(controlPort, 'POST', '/v1/enroll', {
    token: token.token,
    csr: first.csrPem,
  });
  const file = join(made.directory, 'backup.age');
  expect(await postern('backup', file, '--config', made.configFile)).toMatchObject({ code: 0 });

  const second = await createKeyAndRequest();
  const old = { cert: String(enrolled.certificate), key: first.privateKeyPem };
  const renewal = await asDevice(old, '/v1/device/renew', { csr: second.csrPem });
  const renewed = { cert: String(renewal.body['certificate']), key: second.privateKeyPem };
  expect(await asDevice(renewed, '/v1/device/token', {})).toMatchObject({ status: 200 });
  await kill();
  await rename(made.data, join(made.directory, 'unreachable'));

  const restored = join(made.directory, 'restored');
  const contextFile = join(made.directory, 'context.yaml');
  const restore = await runPostern(['restore', file, '--data', restored, '--new-api-key'], {
    env: { POSTERN_BACKUP_PASSPHRASE_FILE: join(made.directory, 'passphrase'), POSTERN_CONTEXT: contextFile },
  });
  expect(restore).toMatchObject({ code: 0, err: '' });
  expect(restore.out).toContain('what was revoked after the backup is not known');
  await serve(restored);
  expect(await asDevice(renewed, '/v1/device/token', {})).toMatchObject({ status: 200 });
  expect(await asDevice(old, '/v1/device/token', {})).toMatchObject({ status: 200 });
  // The key that was printed opens the API, with no options but the context file.
  const listed = await runPostern(['api-key', 'list', '-o', 'json'], {
    env: { POSTERN_CONTEXT: contextFile },
  });
  expect(listed).toMatchObject({ code: 0, err: '' });
  expect(listed.out).toContain('"name": "restore"');
});

it('refuses in clear words what it does not restore, and makes no directory', async () => {
  const file = join(made.directory, 'backup.age');
  expect(await postern('backup', file, '--config', made.configFile)).toMatchObject({ code: 0 });
  const there = await postern('restore', file, '--data', made.data);
  expect(there).toMatchObject({ code: 2, out: '' });
  expect(there.err).toContain(`${made.data} is not empty, and was left as it is`);
  const bytes = await readFile(file);
  bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 16, bytes.length >> 1);
  await writeFile(file, bytes);
  const target = join(made.directory, 'restored');
  const damaged = await postern('restore', file, '--data', target);
  expect(damaged).toMatchObject({ code: 2, out: '' });
  expect(damaged.err).toContain('it was altered or cut off');
  await writeFile(join(made.directory, 'passphrase'), 'another passphrase\n');
  expect((await postern('restore', file, '--data', target)).err).toContain('the passphrase does not open it');
  await chmod(join(made.directory, 'passphrase'), 0o644);
  expect((await postern('restore', file, '--data', target)).err).toContain('chmod 600');
  expect((await postern('restore', join(target, 'none'), '--data', target)).code).toBe(2);
  const folder = await postern('restore', made.data, '--data', target);
  expect(folder).toMatchObject({ code: 2, out: '' });
  expect(folder.err).toContain(`${made.data} is a folder, not a backup`);
  await expect(readFile(target)).rejects.toMatchObject({ code: 'ENOENT' });
});

it('says that later revocations are not known, where the ledger that survived is not known to be whole', async () => {
  const file = join(made.directory, 'backup.age');
  expect(await postern('backup', file, '--config', made.configFile)).toMatchObject({ code: 0 });
  const old = join(made.directory, 'old');
  await rename(made.data, old);
  const restoreTo = (name: string) =>
    postern('restore', file, '--data', join(made.directory, name), '--keep-revocations-from', old);

  const whole = await restoreTo('whole');
  expect(whole).toMatchObject({ code: 0, err: '' });
  expect(whole.out).toContain('it had none that the backup does not have');
  expect(whole.out).not.toContain('is not known');

  await rm(join(old, 'ledger.db.head'));
  const cut = await restoreTo('cut');
  expect(cut.code).toBe(0);
  expect(cut.err).toContain('has lost its head file');
  expect(cut.out).not.toContain('it had none');
  expect(cut.out).toContain('What was revoked in what could not is not known: revoke it again.');
});
