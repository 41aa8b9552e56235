import { execFile, execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { formatSettings } from '../../../agent/state/settings-file.ts';
import { statePaths } from '../../../agent/state/state-directory.ts';
import { createNamespace, namespacesMissing } from '../../lab/namespaces.ts';
import type { LabNamespace } from '../../lab/namespaces.ts';
import { makeOrganization } from '../../lab/pki.ts';
import { device, policyOf, signPolicy } from './lab.ts';

// Several processes, on a machine that may be busy.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const nft = '/usr/sbin/nft';
const missing = namespacesMissing ?? (existsSync(nft) ? undefined : 'apt-get install nftables');
const main = fileURLToPath(new URL('../../../agent/main.ts', import.meta.url));
const listen = fileURLToPath(new URL('listen.ts', import.meta.url));
const [laptopAddress, outsideAddress] = ['10.99.0.1', '10.99.0.2'];
const [gateway, control, other, listed, unlisted] = [8443, 8444, 9999, 2222, 3333];

describe.skipIf(missing !== undefined)(
  `the firewall of a laptop, with real packets${missing === undefined ? '' : ` [skipped: ${missing}]`}`,
  () => {
    const directory = mkdtempSync(join(tmpdir(), 'postern-firewall-'));
    const published = join(directory, 'run');
    const kept = join(directory, 'kept');
    const paths = statePaths(join(directory));
    let laptop: LabNamespace;
    let outside: LabNamespace;
    let running: ChildProcess | undefined;
    let sign: (iat: number, firewall: ReturnType<typeof policyOf>['firewall']) => void;

    const within = (space: LabNamespace, ...command: string[]): string[] => [
      `--net=/run/netns/${space.name}`,
      '--',
      ...command,
    ];
    const inside = (space: LabNamespace, ...command: string[]): string =>
      execFileSync('nsenter', within(space, ...command), { encoding: 'utf8', stdio: 'pipe' });
    const helperArguments = (...command: string[]): string[] =>
      within(laptop, process.execPath, main, 'firewall', ...command, '--directory', kept);

    /** Whether a connection from one namespace gets through and hears the greeting; `refused` where it is told at once. */
    const dial = (
      from: LabNamespace,
      address: string,
      port: number,
    ): Promise<'heard' | 'silent' | 'refused'> =>
      new Promise((resolve) => {
        const script = `exec 3<>/dev/tcp/${address}/${port} && read -t 2 line <&3 && echo "$line"`;
        const args = within(from, 'timeout', '2', 'bash', '-c', script);
        execFile('nsenter', args, (error, output) => {
          if (output.startsWith('port ')) return resolve('heard');
          resolve(error?.code === 124 ? 'silent' : 'refused');
        });
      });
    const stateSays = async (what: string): Promise<void> => {
      await vi.waitFor(() => expect(readFileSync(join(published, 'firewall.json'), 'utf8')).toContain(what), {
        timeout: 30_000,
        interval: 50,
      });
    };
    const start = (): void => {
      running = spawn('nsenter', helperArguments('run', '--state', directory, '--published', published), {
        stdio: 'ignore',
      });
    };
    const stop = async (signal: 'SIGKILL' | 'SIGTERM'): Promise<void> => {
      if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
      const exited = once(running, 'exit');
      running.kill(signal);
      await exited;
    };

    beforeAll(async () => {
      const organization = await makeOrganization();
      const signer = await organization.issuePolicySigner();
      sign = (iat, firewall) =>
        writeFileSync(
          paths.firewall,
          signPolicy(signer, policyOf({ iat, firewall, gateways: [`${outsideAddress}:${gateway}`] })),
        );
      writeFileSync(paths.authority, organization.rootPem);
      const url = `https://${outsideAddress}:${control}`;
      writeFileSync(
        paths.settings,
        formatSettings({
          version: 1,
          control: url,
          device,
          user: 'alice@example.org',
          domain: 'example.org',
          proxyPort: 0,
        }),
      );
      laptop = createNamespace([]);
      outside = createNamespace([]);
      const [near, far] = [`pf${process.pid}a`, `pf${process.pid}b`];
      execFileSync('ip', [
        'link',
        'add',
        near,
        'netns',
        laptop.name,
        'type',
        'veth',
        'peer',
        'name',
        far,
        'netns',
        outside.name,
      ]);
      inside(laptop, 'ip', 'addr', 'add', `${laptopAddress}/24`, 'dev', near);
      inside(outside, 'ip', 'addr', 'add', `${outsideAddress}/24`, 'dev', far);
      inside(laptop, 'ip', 'link', 'set', near, 'up');
      inside(outside, 'ip', 'link', 'set', far, 'up');
      await Promise.all([
        laptop.run(listen, [String(listed), String(unlisted)]),
        outside.run(listen, [gateway, control, other].map(String)),
      ]);
    });
    afterAll(async () => {
      await stop('SIGKILL');
      await laptop.remove();
      await outside.remove();
      rmSync(directory, { recursive: true });
    });

    it('lets everything in before there is one', async () => {
      expect(await dial(outside, laptopAddress, unlisted)).toBe('heard');
    });

    it('closes what comes in but for what is listed, loopback, and what belongs to a flow that went out', async () => {
      sign(1_795_000_000, {
        name: 'laptops',
        inbound: [{ protocol: 'tcp', ports: [listed], addresses: ['10.99.0.0/24'] }],
      });
      start();
      await stateSays('applied');
      expect(await dial(outside, laptopAddress, listed)).toBe('heard');
      expect(await dial(outside, laptopAddress, unlisted)).toBe('silent');
      expect(await dial(laptop, '127.0.0.1', unlisted)).toBe('heard');
      for (const port of [gateway, control, other])
        expect([port, await dial(laptop, outsideAddress, port)]).toEqual([port, 'heard']);
    });

    it('tells the agent, which is not root, that incoming connections are refused', async () => {
      await vi.waitFor(() => {
        const text = readFileSync(join(published, 'posture.json'), 'utf8');
        expect(JSON.parse(text)).toMatchObject({ findings: { firewallEnabled: { value: true } } });
      });
      expect(statSync(join(published, 'posture.json')).mode & 0o777).toBe(0o644);
    });

    it('limits what goes out to gateways, control plane and what is listed, without a gap in between', async () => {
      sign(1_795_000_001, { name: 'tight', inbound: [], outbound: [] });
      await stateSays('tight');
      expect(await dial(laptop, outsideAddress, gateway)).toBe('heard');
      expect(await dial(laptop, outsideAddress, control)).toBe('heard');
      expect(await dial(laptop, outsideAddress, other)).toBe('refused');
      expect(await dial(outside, laptopAddress, listed)).toBe('silent');
      sign(1_795_000_002, { name: 'listed', inbound: [], outbound: [{ protocol: 'tcp', ports: [other] }] });
      await stateSays('listed');
      expect(await dial(laptop, outsideAddress, other)).toBe('heard');
    });

    it('is put back when somebody takes it away or opens it, though nothing else changed', async () => {
      inside(laptop, nft, 'insert', 'rule', 'inet', 'postern', 'inbound', 'accept');
      await vi.waitFor(async () => expect(await dial(outside, laptopAddress, unlisted)).toBe('silent'), {
        timeout: 30_000,
      });
      inside(laptop, nft, 'flush', 'ruleset');
      await vi.waitFor(() => inside(laptop, nft, 'list', 'table', 'inet', 'postern'), { timeout: 30_000 });
      expect(await dial(outside, laptopAddress, unlisted)).toBe('silent');
    });

    it('stays when the helper dies, and opens for nothing that the control plane did not sign', async () => {
      await stop('SIGKILL');
      expect(await dial(outside, laptopAddress, unlisted)).toBe('silent');
      rmSync(paths.firewall);
      start();
      await stateSays('listed');
      expect(await dial(outside, laptopAddress, unlisted)).toBe('silent');
      await stop('SIGTERM');
      expect(await dial(outside, laptopAddress, unlisted)).toBe('silent');
    });

    it('believes the first enrollment that it found, and another only when root says so', async () => {
      const another = (value: string): void =>
        writeFileSync(
          paths.settings,
          readFileSync(paths.settings, 'utf8').replace(/^device: .*$/m, `device: ${value}`),
        );
      const believed = (): string => readFileSync(join(kept, 'trust.json'), 'utf8');
      another('d-2');
      start();
      await stateSays('listed');
      await stop('SIGTERM');
      expect(believed()).toContain(`"${device}"`);
      execFileSync('nsenter', helperArguments('adopt', '--state', directory));
      expect(believed()).toContain('"d-2"');
      another(device);
      execFileSync('nsenter', helperArguments('adopt', '--state', directory));
      start();
      await stateSays('listed');
      await stop('SIGTERM');
    });

    it('goes when root takes it away, and leaves the rules of others alone', async () => {
      inside(laptop, nft, 'add', 'table', 'inet', 'others');
      execFileSync('nsenter', helperArguments('remove'));
      expect(await dial(outside, laptopAddress, unlisted)).toBe('heard');
      expect(inside(laptop, nft, 'list', 'tables')).toBe('table inet others\n');
      expect(existsSync(join(kept, 'trust.json'))).toBe(false);
    });
  },
);
