import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { Command } from 'commander';
import { registerAccessLog } from '../../src/cli/access-log.ts';
import { registerApiKey } from '../../src/cli/api-key.ts';
import { registerApply } from '../../src/cli/apply.ts';
import { registerBackup } from '../../src/cli/backup/backup.ts';
import { registerDelete } from '../../src/cli/delete.ts';
import { registerDevice } from '../../src/cli/device.ts';
import { registerDoctor } from '../../src/cli/doctor.ts';
import { registerEnrollToken } from '../../src/cli/devices/enroll-token.ts';
import { registerFlows } from '../../src/cli/flows.ts';
import { registerGet } from '../../src/cli/get.ts';
import { registerLedger } from '../../src/cli/ledger.ts';
import { registerInit } from '../../src/cli/init.ts';
import { registerPolicy } from '../../src/cli/policy.ts';
import { createProgram } from '../../src/cli/program.ts';
import { registerRestore } from '../../src/cli/backup/restore.ts';
import { registerManagedDevices } from '../../src/cli/devices/managed-devices.ts';
import { registerServe } from '../../src/cli/serve.ts';
import { registerWhy } from '../../src/cli/why.ts';
import { runPostern } from './run-postern.ts';

// Each test starts several processes, and a busy machine takes its time.
vi.setConfig({ testTimeout: 90_000 });

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'postern-usage-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

it('ends without a complaint when nobody reads on', async () => {
  expect(await runPostern(['--help'], { isUnread: true })).toEqual({ code: 0, out: '', err: '' });
});

it('lists its commands, without colors where nobody looks', async () => {
  const { code, out } = await runPostern(['--help']);
  expect(code).toBe(0);
  const commands = [...out.matchAll(/^ {2}([a-z-]+)(?: \[options\])?(?: <| \[| {2})/gm)].map(
    ([, name = '']) => name,
  );
  const expected = [
    'init',
    'serve',
    'apply',
    'get',
    'delete',
    'enroll-token',
    'api-key',
    'access-log',
    'device',
    'policy',
    'why',
    'ledger',
    'flows',
    'backup',
    'restore',
    'doctor',
    'demo',
  ];
  expect(commands).toEqual(expect.arrayContaining(expected));
  expect(out).not.toContain('\u001b');
});

it('teaches each command with an example in its help', () => {
  const program = createProgram();
  for (const register of [
    registerInit,
    registerServe,
    registerApply,
    registerGet,
    registerDelete,
    registerEnrollToken,
    registerApiKey,
    registerAccessLog,
    registerDevice,
    registerPolicy,
    registerWhy,
    registerManagedDevices,
    registerFlows,
    registerBackup,
    registerLedger,
    registerRestore,
    registerDoctor,
  ])
    register(program);
  const helps = new Map<string, string>();
  const collect = (command: Command, name: string): void => {
    let text = '';
    command.configureOutput({ writeOut: (part) => (text += part) });
    command.outputHelp();
    helps.set(name, text);
    for (const child of command.commands) collect(child, `${name} ${child.name()}`);
  };
  for (const command of program.commands) collect(command, command.name());
  expect(helps.size).toBeGreaterThan(15);
  const taught = (name: string): boolean => /Examples?:\n {2}postern /.test(helps.get(name) ?? '');
  // A group teaches for its commands, or each of them does.
  const silent = [...helps.keys()].filter(
    (name) =>
      !taught(name) &&
      !taught(name.split(' ')[0] ?? '') &&
      ![...helps.keys()].some((other) => other.startsWith(`${name} `)),
  );
  expect(silent).toEqual([]);
});

it.each([
  ['an unknown command', ['aply']],
  ['an unknown option', ['apply', '--force']],
  ['a missing option', ['why', '--user', 'alice@example.org']],
  ['a missing argument', ['delete', 'app']],
  ['a format that is none', ['get', 'apps', '-o', 'xml']],
  ['a duration that is none', ['enroll-token', 'create', '--user', 'a', '--ttl', 'soon']],
  ['a role that is none', ['serve', '--role', 'everything']],
  ['no workers', ['serve', '--workers', '0']],
  ['a server that is not https', ['get', 'apps', '--server', 'http://127.0.0.1:1', '--api-key', 'x']],
  ['no server', ['get', 'apps', '--api-key', 'x']],
  ['no API key', ['get', 'apps', '--server', 'https://127.0.0.1:1']],
  ['settings that are not there', ['serve', '--config', '/nonexistent/postern.yaml']],
  [
    'a posture key that is none',
    ['why', '--user', 'a', '--device', 'd', '--app', 'b', '--posture', 'shiny=true', 'diskEncrypted=maybe'],
  ],
])('ends with 2 for %s', async (_what, args) => {
  const refused = await runPostern(args);
  expect(refused.code).toBe(2);
  expect(refused.out).toBe('');
  expect(refused.err).not.toBe('');
  expect(refused.err).not.toContain('    at ');
});

it('ends with 3 and a sentence when nothing listens where the server should be', async () => {
  const unreachable = await runPostern(['get', 'apps', '--server', 'https://127.0.0.1:1', '--api-key', 'x']);
  expect(unreachable).toMatchObject({ code: 3, out: '' });
  expect(unreachable.err).toBe(
    'postern: nothing listens at https://127.0.0.1:1: is `postern serve` running there?\n',
  );
});

it('names every setting that is wrong with its file, line and key, and does not start', async () => {
  const config = join(directory, 'postern.yaml');
  await writeFile(
    config,
    'version: 1\ndomain: example.org\ndata: .\ngateway:\n  prot: 1\nlog: { level: loud }\n',
  );
  const refused = await runPostern(['serve', '--config', config]);
  expect(refused).toMatchObject({ code: 2, out: '' });
  expect(refused.err).toContain(`${config}:5: gateway.prot: unknown key`);
  expect(refused.err).toContain(`${config}:6: log.level: must be one of`);
  expect(refused.err).toContain('`limits` is missing');
});

it('finds policies that are wrong, with file and line, and exits 1; and none in good ones', async () => {
  const good = join(directory, 'good.yaml');
  await writeFile(
    good,
    'kind: Policy\nname: p\ncedar: |\n  permit (principal, action, resource)\n  when { context.posture.diskEncrypted };\n',
  );
  expect(await runPostern(['policy', 'check', good])).toMatchObject({ code: 0, out: 'No problems found.\n' });
  const bad = join(directory, 'bad.yaml');
  await writeFile(
    bad,
    'kind: Policy\nname: p\ncedar: |\n  permit (principal, action, resource)\n  when { context.posture.diskEncripted };\n',
  );
  const found = await runPostern(['policy', 'check', bad]);
  expect(found.code).toBe(1);
  expect(found.out).toContain(`error: ${bad}:5: cedar: `);
  const plain = join(directory, 'plain.cedar');
  await writeFile(
    plain,
    'permit (principal in Group::"x", action == Action::"access", resource == App::"y");\n',
  );
  expect(await runPostern(['policy', 'check', plain])).toMatchObject({ code: 0 });
  expect(await runPostern(['policy', 'check', join(directory, 'none.cedar')])).toMatchObject({ code: 2 });
});
