import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { parse, stringify } from 'yaml';
import { createKeyAndRequest } from '../../certs/request.ts';
import { makeInstallation } from '../control/installation.ts';
import type { Installation } from '../control/installation.ts';
import { makeOrganization } from '../lab/pki.ts';
import { runPostern } from './run-postern.ts';
import type { Run } from './run-postern.ts';

// Each test starts several processes, and a busy machine takes its time.
vi.setConfig({ testTimeout: 90_000 });

const program = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

let installation: Installation;
let server: ChildProcess;
let port: number;
let ready: string;
let log = '';

beforeAll(async () => {
  installation = await makeInstallation();
  server = spawn(
    process.execPath,
    [program, 'serve', '--role', 'control', '--config', installation.configFile],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  if (server.stdout === null) throw new TypeError('no output');
  server.stderr?.on('data', (chunk: Buffer) => (log += chunk.toString()));
  [ready] = (await once(createInterface({ input: server.stdout }), 'line')) as [string];
  port = Number(/control=https:\/\/127\.0\.0\.1:(\d+)/.exec(ready)?.[1]);
  await writeFile(
    join(installation.directory, 'context.yaml'),
    stringify({
      server: `https://127.0.0.1:${port}`,
      apiKey: installation.apiKey,
      ca: installation.rootPem,
      data: installation.data,
    }),
  );
});
afterAll(async () => {
  if (server.exitCode === null) {
    server.kill('SIGTERM');
    const [code] = (await once(server, 'exit')) as [number | null];
    expect(code).toBe(0);
  }
  // What it logged while all of these tests ran.
  expect(log).not.toContain(installation.apiKey.split('.').at(-1));
  await installation.remove();
});

/** Each test begins without resources. */
beforeEach(() => installation.api(port, 'POST', '/v1/apply', { resources: [], prune: true }));

const postern = (...args: string[]): Promise<Run> =>
  runPostern(args, { env: { POSTERN_CONTEXT: join(installation.directory, 'context.yaml') } });

async function write(name: string, text: string): Promise<string> {
  const path = join(installation.directory, name);
  await writeFile(path, text);
  return path;
}

const resources = `kind: Network
name: finance
attach: { direct: true }
---
kind: App
name: grants
network: finance
host: grants.apps.example.org
protocol: http
upstreams: [http://127.0.0.1:8080]
---
kind: Group
name: finance
members: [alice@example.org]
---
kind: Policy
name: finance-grants
cedar: |
  permit (principal in Group::"finance", action == Action::"access", resource == App::"grants")
  when { context.posture.diskEncrypted };
`;

const payroll = `kind: App
name: payroll
network: finance
host: payroll.apps.example.org
protocol: http
upstreams: [http://127.0.0.1:8081]
---
kind: Policy
name: payroll-fresh
cedar: |
  permit (principal == User::"alice@example.org", action == Action::"access", resource == App::"payroll")
  when { context.signIn.ageSeconds < 300 && context.signIn.mfa };
`;

async function enrollAs(user: string, role = 'laptop'): Promise<string> {
  const created = await postern('enroll-token', 'create', '--user', user, '--role', role, '-o', 'json');
  const { token } = JSON.parse(created.out) as { token: string };
  const { csrPem: csr } = await createKeyAndRequest();
  const { body } = await installation.api(port, 'POST', '/v1/enroll', { token, csr });
  return String(body.device);
}

it('says in one line, ready, where it can be reached', () => {
  expect(ready).toMatch(/^ready control=https:\/\/127\.0\.0\.1:\d+ operator=http:\/\/127\.0\.0\.1:\d+$/);
});

it('names an unknown key with file and line, exits 2, and applies nothing of the file', async () => {
  const file = await write('wrong.yaml', resources.replace('upstreams:', 'upstream:'));
  const refused = await postern('apply', '-f', file);
  expect(refused.code).toBe(2);
  expect(refused.err).toContain(
    `${file}:10: upstream: unknown key \`upstream\`; did you mean \`upstreams\`?`,
  );
  expect(refused.err).toContain('Nothing was applied');
  expect(JSON.parse((await postern('get', 'networks', '-o', 'json')).out)).toEqual([]);
});

it('puts what only the server can know at its file and line too', async () => {
  const file = await write('unknown-app.yaml', resources.replace('App::"grants"', 'App::"grant"'));
  const refused = await postern('apply', '-f', file);
  expect(refused.code).toBe(2);
  expect(refused.err).toContain(`${file}:19: cedar: there is no App::"grant"`);
  expect(JSON.parse((await postern('get', 'apps', '-o', 'json')).out)).toEqual([]);
});

it('plans, applies, shows, refuses to delete what is in use, and prunes', async () => {
  const file = await write('right.yaml', resources);
  const planned = await postern('apply', '-f', file, '--dry-run');
  expect(planned.code).toBe(0);
  expect(planned.out).toContain('+ create    app grants');
  expect(planned.out).toContain('Plan: 4 created, 0 updated, 0 deleted, 0 unchanged. Nothing was changed.');
  const applied = await postern('apply', '-f', file);
  expect(applied.out).toMatch(/Applied as version \d+-[0-9a-f]{8}: 4 created/);
  expect(applied.err).toContain('warning: ');
  const shown = await postern('get', 'app', 'grants', '-o', 'yaml');
  expect(parse(shown.out)).toMatchObject({ kind: 'App', name: 'grants', network: 'finance' });
  expect((await postern('get', 'apps')).out).toMatch(/^NAME +NETWORK +HOST/);
  expect(await postern('get', 'app', 'none')).toMatchObject({ code: 2, out: '' });
  const inUse = await postern('delete', 'network', 'finance');
  expect(inUse).toMatchObject({ code: 1, out: '' });
  expect(inUse.err).toContain('Still in use');
  const staff = await write('staff.yaml', `${resources}---\nkind: Group\nname: staff\nmembers: []\n`);
  expect((await postern('apply', '-f', staff)).out).toContain('1 created');
  expect((await postern('apply', '-f', file, '--prune')).out).toContain('- delete    group staff');
  expect((await postern('get', 'groups', '-o', 'json')).out).not.toContain('staff');
});

it('answers why with 0 for allow and 1 for deny, and takes a device out of service for good', async () => {
  await postern('apply', '-f', await write('right.yaml', resources));
  const device = await enrollAs('alice@example.org');
  const why = (...more: string[]) =>
    postern('why', '--user', 'alice@example.org', '--device', device, '--app', 'grants', ...more);
  const early = await why('--posture', 'diskEncrypted=true');
  expect(early).toMatchObject({ code: 1, out: expect.stringContaining('posture-awaited') });
  await postern('device', 'release', device, '--reason', 'its agent is not installed yet');
  const allowed = await why('--posture', 'diskEncrypted=true');
  expect(allowed.code).toBe(0);
  expect(allowed.out).toContain('allow');
  expect(allowed.out).toContain('finance-grants');
  const denied = await why('--posture', 'diskEncrypted=false', '-o', 'json');
  expect(denied.code).toBe(1);
  expect(JSON.parse(denied.out)).toMatchObject({ effect: 'deny', posture: 'given' });
  await postern('apply', '-f', await write('payroll.yaml', payroll));
  const payrollWhy = (...more: string[]) => why('--app', 'payroll', ...more);
  const challenge = await payrollWhy();
  expect(challenge.code).toBe(1);
  expect(challenge.out).toContain('challenge for fresh-sign-in, mfa');
  expect(challenge.out).toContain('signed in again with more than one factor, at most 299 s ago');
  expect((await payrollWhy('--signed-in', '1m', '--mfa')).code).toBe(0);
  expect((await payrollWhy('--signed-in', '1m')).out).toContain('challenge for mfa');
  expect(await payrollWhy('--mfa')).toMatchObject({ code: 2, out: '' });
  const machine = await enrollAs('buildings@example.org', 'machine');
  const machineWhy = await postern('why', '--device', machine, '--app', 'grants');
  expect(machineWhy.code).toBe(1);
  expect(machineWhy.out).toContain('a permit lets a machine in only if its scope says so');
  expect(await postern('why', '--device', device, '--app', 'grants')).toMatchObject({ code: 2, out: '' });
  expect(await why('--app', 'none')).toMatchObject({ code: 2 });

  const revoked = await postern('device', 'revoke', device, '--reason', 'stolen from a car');
  expect(revoked.code).toBe(0);
  expect(revoked.out).toMatch(
    new RegExp(`^${device} of alice@example.org is revoked: in force after \\d+ ms.\n$`),
  );
  const released = await postern('device', 'release', device, '--reason', 'found again');
  expect(released).toMatchObject({ code: 1, out: '' });
  expect(released.err).toContain('State is final');
  expect((await postern('get', 'device')).out).toContain('stolen from a car (api-key:admin)');
  expect((await why('--posture', 'diskEncrypted=true')).code).toBe(1);
});

it('lists devices by user and state, and tells the life of one in order', async () => {
  const device = await enrollAs('erin@example.org');
  await postern('device', 'quarantine', device, '--reason', 'odd traffic');
  await postern('device', 'lost', device, '--reason', 'left in a train');
  const list = async (...more: string[]) => (await postern('device', 'list', ...more)).out;
  expect(await list('--user', 'erin@example.org')).toContain(device);
  expect(await list('--state', 'lost')).toContain(device);
  expect(await list('--state', 'lost', '--user', 'frank@example.org')).toBe('There are none.\n');
  expect(await postern('device', 'list', '--state', 'mislaid')).toMatchObject({ code: 2, out: '' });
  const shown = await postern('device', 'show', device, '-o', 'json');
  expect(JSON.parse(shown.out)).toMatchObject({
    user: 'erin@example.org',
    state: 'lost',
    changes: [
      { state: 'enrolled', by: `device:${device}`, reason: 'enrollment' },
      { state: 'quarantined', by: 'api-key:admin', reason: 'odd traffic' },
      { state: 'lost', by: 'api-key:admin', reason: 'left in a train' },
    ],
  });
  const told = (await postern('device', 'show', device)).out;
  expect(told.indexOf('enrollment')).toBeLessThan(told.indexOf('odd traffic'));
  expect(told.indexOf('odd traffic')).toBeLessThan(told.indexOf('left in a train'));
  expect(await postern('device', 'show', 'none')).toMatchObject({ code: 2, out: '' });
});

it('trusts the root of its context and no other, and says so with exit code 3', async () => {
  const stranger = await makeOrganization();
  const ca = await write('other-root.pem', stranger.rootPem);
  const untrusted = await postern('get', 'apps', '--ca', ca);
  expect(untrusted).toMatchObject({ code: 3, out: '' });
  expect(untrusted.err).toContain('is not proven by the root that this command trusts');
  const root = join(installation.data, 'certs/root.crt');
  // Without any context.
  const given = await runPostern([
    'get',
    'apps',
    '--server',
    `https://127.0.0.1:${port}`,
    '--api-key',
    installation.apiKey,
    '--ca',
    root,
  ]);
  expect(given.code).toBe(0);
  const wrongKey = await postern('get', 'apps', '--api-key', `pak1.${'A'.repeat(16)}.${'A'.repeat(43)}`);
  expect(wrongKey).toMatchObject({ code: 2, out: '' });
  expect(wrongKey.err).toContain('API key missing or not valid');
});

it('does what a plan said, or nothing when resources changed since', async () => {
  const file = await write('right.yaml', resources);
  const planned = await postern('apply', '-f', file, '--dry-run');
  const version = /--if-match (\S+)$/m.exec(planned.out)?.[1] ?? '';
  const staff = await write('staff.yaml', 'kind: Group\nname: staff\nmembers: []\n');
  expect(await postern('apply', '-f', staff, '--if-match', version)).toMatchObject({ code: 0 });
  const stale = await postern('apply', '-f', file, '--if-match', version);
  expect(stale).toMatchObject({ code: 1, out: '' });
  expect(stale.err).toContain('Changed since it was read');
  expect((await postern('get', 'apps', '-o', 'json')).out).toBe('[]\n');
});

it('makes a key of a role, lists it, is refused with 1 beyond its role, and revokes it', async () => {
  const created = await postern('api-key', 'create', '--name', 'desk', '--role', 'helpdesk', '--ttl', '90d');
  expect(created.code).toBe(0);
  const [key = ''] = created.out.split('\n');
  expect(created.out).toMatch(/^API key desk \(helpdesk\), until \d{4}-.*It is shown this once\.$/m);
  expect((await postern('get', 'device', '--api-key', key)).code).toBe(0);
  const beyond = await postern('get', 'apps', '--api-key', key);
  expect(beyond).toMatchObject({ code: 1, out: '' });
  expect(beyond.err).toContain('api-key:desk is helpdesk; this takes owner, security, soc or auditor');
  const listed = (await postern('api-key', 'list')).out;
  const id = /^(\S+) +desk +helpdesk +all /m.exec(listed)?.[1] ?? '';
  expect(await postern('api-key', 'revoke', id)).toMatchObject({
    code: 0,
    out: 'API key desk is revoked.\n',
  });
  expect(await postern('get', 'device', '--api-key', key)).toMatchObject({ code: 2, out: '' });
  const admin = /^(\S+) +admin +owner /m.exec(listed)?.[1] ?? '';
  const last = await postern('api-key', 'revoke', admin);
  expect(last).toMatchObject({ code: 1, out: '' });
  expect(last.err).toContain('Make another owner first');
});

it('tells an auditor who read what, this included, and proves that record whole with the flows', async () => {
  await postern('get', 'device', '-o', 'json');
  const log = await postern('access-log', '--actor', 'api-key:admin', '--since', '1h', '--limit', '5');
  expect(log.code).toBe(0);
  expect(log.out).toMatch(/^AT +WHO +ROLES +FROM +WHAT +HOW MANY\n/);
  expect(log.out).toMatch(/ api-key:admin +owner +127\.0\.0\.1 +GET \/v1\/devices +\d+\n/);
  const again = await postern('access-log', '--limit', '1', '-o', 'json');
  expect(JSON.parse(again.out)).toMatchObject([
    { operation: 'GET /v1/access-log', target: { actor: 'api-key:admin' }, count: 5 },
  ]);
  const verified = await postern('flows', 'verify');
  expect(verified.code).toBe(0);
  expect(verified.out).toMatch(/^access log, started .*: \d+ records/);
  expect(verified.out).toContain('Whole: ');
});

it('verifies flow records where they are, and names what is not there', async () => {
  expect(await postern('flows', 'verify')).toMatchObject({ code: 0 });
  const flows = join(installation.data, 'flows');
  expect((await postern('flows', 'verify', '--data', join(flows, 'none'))).code).toBe(2);
});

it('shows the reason of someone else without letting it redraw the terminal', async () => {
  const device = await enrollAs('bob@example.org');
  await postern('device', 'quarantine', device, '--reason', 'odd\u001b[2Jtraffic\nsecond line');
  const shown = await postern('get', 'device', device);
  expect(shown.out).toContain('odd [2Jtraffic second line');
  expect(shown.out).not.toContain('\u001b');
  expect(await readFile(join(installation.data, 'FORMAT'), 'utf8')).toBe('postern-data-1\n');
});
