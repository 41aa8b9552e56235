import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { loadFleetSettings } from '../../../agent/state/fleet-file.ts';

const deploy = fileURLToPath(new URL('../../../deploy/agent', import.meta.url));
const main = fileURLToPath(new URL('../../../agent/main.ts', import.meta.url));

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'postern-deploy-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function settingsOf(text: string): unknown {
  const file = join(directory, 'agent.yaml');
  writeFileSync(file, text);
  chmodSync(file, 0o644);
  return loadFleetSettings(file);
}

const xmlFiles = ['macos/org.postern.agent.plist', 'windows/postern-agent.xml'];
const xmllint = spawnSync('xmllint', ['--version']).error === undefined;

describe.skipIf(!xmllint)(
  xmllint
    ? 'definitions of the service'
    : 'definitions of the service [skipped: apt-get install libxml2-utils]',
  () => {
    it.each(xmlFiles)('are whole XML: %s', (name) => {
      const check = (text: string): number | null =>
        spawnSync('xmllint', ['--nonet', '--noout', '-'], { input: text }).status;
      const text = readFileSync(join(deploy, name), 'utf8');
      expect([check(text), check(text.replace(/<\/\w+>\s*$/, ''))]).toEqual([0, 1]);
    });
  },
);

it.each(['firewall', 'names'])('starts the part that runs as root by a command that it has: %s', (part) => {
  const text = readFileSync(join(deploy, `linux/postern-agent-${part}.service`), 'utf8');
  const [, ...command] = /^ExecStart=(.*)$/m.exec(text)?.[1]?.split(' ') ?? [];
  expect(command).toHaveLength(2);
  expect(execFileSync(process.execPath, [main, ...command, '--help'], { encoding: 'utf8' })).toContain(
    `postern-agent ${command.join(' ')}`,
  );
});

it.each([...xmlFiles, 'linux/postern-agent.service'])(
  'starts the agent with options that it has: %s',
  (name) => {
    const help = execFileSync(process.execPath, [main, 'up', '--help'], { encoding: 'utf8' });
    const text = readFileSync(join(deploy, name), 'utf8').replaceAll(/<!--[^]*?-->/g, '');
    const used = text.match(/--[a-z][a-z-]*/g) ?? [];
    expect(used).toEqual(['--state', '--config']);
    for (const option of used) expect(help).toContain(option);
  },
);

it('lays a settings file that says nothing, and whose every example holds', () => {
  const text = readFileSync(join(deploy, 'linux/agent.yaml'), 'utf8');
  expect(settingsOf(text)).toEqual({});
  expect(settingsOf(text.replaceAll(/^#(?=[a-z]+[A-Za-z]*: )/gm, ''))).toEqual({
    control: 'https://control.example.org:8444',
    enrollmentTokenFile: '/var/lib/postern-agent/enrollment-token',
    key: 'tpm',
    proxyPort: 8118,
    signIn: 'device-code',
    intercept: 'loopback',
    resolver: '127.64.0.1:53',
  });
});

it('has an Ansible playbook that writes settings which the agent takes', () => {
  const [play] = parse(readFileSync(join(deploy, 'ansible/postern-agent.yaml'), 'utf8')) as [
    { tasks: Record<string, { dest?: string; content?: string }>[] },
  ];
  const copies = play.tasks.flatMap((task) => task['ansible.builtin.copy'] ?? []);
  const settings = copies.find(({ dest }) => dest === '/etc/postern-agent/agent.yaml')?.content ?? '';
  expect(
    settingsOf(settings.replace('{{ postern_control }}', 'https://control.example.org:8444')),
  ).toMatchObject({
    control: 'https://control.example.org:8444',
    enrollmentTokenFile: copies.find(({ content }) => content?.includes('.token'))?.dest,
  });
});
