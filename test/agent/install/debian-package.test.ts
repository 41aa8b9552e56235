import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { parseDocument } from 'yaml';
import type { AgentStatus } from '../../../agent/status.ts';
import { buildDebianPackage } from '../../../build/agent/debian-package.ts';
import { buildExecutable } from '../../../build/agent/executable.ts';
import { thirdPartyNotice } from '../../../build/agent/third-party.ts';
import { makeInstallation } from '../../control/installation.ts';
import type { Installation } from '../../control/installation.ts';
import { startServing } from '../../lab/serving.ts';
import type { Serving } from '../../lab/serving.ts';
import { bootLivingSystem, livingSystemMissing } from './living-system.ts';
import type { LivingSystem } from './living-system.ts';

// A package of 150 MB is unpacked twice below a systemd of its own, and a busy machine takes its time.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 180_000 });
const patience = { timeout: 60_000, interval: 200 };

const checkout = fileURLToPath(new URL('../../..', import.meta.url));
const measure = join(checkout, 'test/agent/install/measure-posture.ts');

describe.skipIf(livingSystemMissing !== undefined)(
  livingSystemMissing === undefined
    ? 'the Debian package on a living system'
    : `the Debian package on a living system [skipped: ${livingSystemMissing}]`,
  () => {
    let directory: string;
    let packages: readonly string[];
    let made: Installation;
    let server: Serving;
    let ledger: Server;
    let laptop: LivingSystem;
    let control: number;

    const api = (method: string, path: string, body?: unknown) => made.api(control, method, path, body);
    const shell = (script: string): Promise<string> => laptop.shell(script);
    /** As root asks, who need not say where the state is. */
    const status = async (): Promise<AgentStatus> =>
      JSON.parse(await shell('postern-agent status -o json')) as AgentStatus;
    const untilConnected = (): Promise<void> =>
      vi.waitFor(async () => expect((await status()).state).toBe('connected'), patience);
    const untilShell = (script: string, expected: string): Promise<void> =>
      vi.waitFor(async () => expect((await laptop.run(script)).text).toBe(expected), patience);
    const property = async (unit: string, name: string): Promise<string> =>
      (await shell(`systemctl show --property=${name} --value ${unit}`)).trim();
    /** By its name, as any program would. */
    const askLedger =
      'bash --norc -c \'exec 3<>/dev/tcp/ledger.apps.example.org/7000; read line <&3; echo "$line"\'';
    const led = 'grep -c ledger.apps.example.org /etc/hosts || true';
    const tables = 'nft list tables';

    beforeAll(async () => {
      directory = await mkdtemp(join(tmpdir(), 'postern-package-'));
      const program = join(directory, 'postern-agent');
      const notice = join(directory, 'THIRD-PARTY.txt');
      const parts = await buildExecutable(join(checkout, 'agent/main.ts'), program);
      await writeFile(notice, thirdPartyNotice('postern-agent', parts));
      const names: string[] = [];
      for (const version of ['0.1.0', '0.2.0'])
        names.push(
          await buildDebianPackage({ program, notice, version, out: directory, compression: 'none' }),
        );
      packages = names;
      laptop = await bootLivingSystem([directory, checkout]);

      ledger = createServer((socket) => socket.on('error', () => undefined).end('the ledger\n'));
      ledger.listen(0, '127.0.0.1');
      await once(ledger, 'listening');
      made = await makeInstallation();
      const settings = parseDocument(await readFile(made.configFile, 'utf8'));
      for (const listener of ['gateway', 'control']) settings.setIn([listener, 'listen'], '0.0.0.0');
      settings.setIn(['gateway', 'addresses'], [`${laptop.address}:0`]);
      settings.setIn(['control', 'names'], ['127.0.0.1', laptop.address]);
      await writeFile(made.configFile, String(settings));
      server = await startServing(made.configFile, 'all');
      control = server.portOf('control');
      const { port } = ledger.address() as AddressInfo;
      const resources = [
        { kind: 'Network', name: 'office', attach: { direct: true } },
        {
          kind: 'App',
          name: 'ledger',
          network: 'office',
          host: 'ledger.apps.example.org',
          protocol: 'tcp',
          ports: [7000],
          upstreams: [`tcp://127.0.0.1:${port}`],
        },
        { kind: 'Policy', name: 'anyone', cedar: 'permit (principal, action, resource);' },
        { kind: 'Firewall', name: 'laptops', inbound: [], outbound: [] },
      ];
      expect(await api('POST', '/v1/apply', { resources })).toMatchObject({ status: 200 });
    });
    afterAll(async () => {
      await laptop.remove();
      await server.kill();
      ledger.close();
      await made.remove();
      await rm(directory, { recursive: true, force: true });
    });

    const fleet = (): string =>
      `control: https://${laptop.address}:${control}\nenrollmentTokenFile: /var/lib/postern-agent/enrollment-token\nintercept: loopback\n`;

    // One life of a laptop, in its order.
    it('installs: a user, a directory of its own, services that start with the machine', async () => {
      // What this machine has of Postern is not in the way.
      await shell('rm -rf /etc/postern-agent /var/lib/postern-agent /var/lib/postern-agent-firewall');
      await shell(`dpkg --force-unsafe-io --no-triggers --install ${packages[0]}`);
      expect(await shell('postern-agent --version')).toMatch(/^\d+\.\d+\.\d+\n$/);
      expect(
        await shell(
          'stat -c "%U %a" /var/lib/postern-agent /etc/postern-agent/agent.yaml /usr/lib/postern/postern-agent',
        ),
      ).toBe('postern-agent 700\nroot 644\nroot 755\n');
      expect(await shell('dpkg --verify postern-agent')).toBe('');
      await untilShell(
        'systemctl is-active postern-agent-firewall.service postern-agent-names.path',
        'active\nactive\n',
      );
      expect(await shell('cat /run/postern-agent/firewall.json')).toContain('"none"');
    });

    it('stays down with a sentence until somebody says where to enroll, and for settings it does not know', async () => {
      await untilShell('systemctl is-active postern-agent', 'failed\n');
      expect(await shell('journalctl --unit=postern-agent')).toContain('not enrolled');
      await shell(
        'echo "contrl: https://c.example.org" > /etc/postern-agent/agent.yaml; systemctl restart postern-agent',
      );
      await untilShell('systemctl is-active postern-agent', 'failed\n');
      expect(await shell('journalctl --unit=postern-agent')).toMatch(
        /agent\.yaml.* line 1: contrl: unknown key/,
      );
      // Nothing is gained by looking again every few seconds.
      expect(await property('postern-agent', 'NRestarts')).toBe('0');
    });

    /** As device management does. */
    async function enroll(): Promise<void> {
      const { body } = await api('POST', '/v1/enrollment-tokens', { user: 'alice@example.org' });
      await shell(`cat > /etc/postern-agent/agent.yaml <<END\n${fleet()}END
        install -o postern-agent -g postern-agent -m 600 /dev/null /var/lib/postern-agent/enrollment-token
        echo ${String(body.token)} > /var/lib/postern-agent/enrollment-token
        systemctl restart postern-agent`);
      await untilConnected();
    }

    it('enrolls by what device management laid there, connects, and closes its firewall', async () => {
      await enroll();
      expect(await shell('ls /var/lib/postern-agent')).not.toContain('enrollment-token');
      await untilShell(tables, 'table inet postern\n');
      await vi.waitFor(
        async () => expect((await status()).firewall).toMatchObject({ state: 'applied', name: 'laptops' }),
        patience,
      );
    });

    it('leads programs to applications by their names', async () => {
      await untilShell(led, '1\n');
      expect(await shell(askLedger)).toBe('the ledger\n');
      expect(await shell('postern-agent why ledger')).toContain('can be reached');
    });

    it('finds out in its sandbox what root finds out outside of it, also of those who sit at the screen', async () => {
      await shell(`set -e
        useradd --create-home --uid 4321 alice
        install -d -o alice -g alice /home/alice/.config
        printf '[Daemon]\\nAutolock=false\\n' > /home/alice/.config/kscreenlockerrc
        mkdir -p /run/systemd/sessions
        printf 'UID=4321\\nUSER=alice\\nCLASS=user\\nTYPE=wayland\\nSTATE=active\\nDESKTOP=KDE\\n' > /run/systemd/sessions/c1
        echo /usr/lib/systemd/systemd-journald > /etc/postern-agent/protection`);
      const outside = JSON.parse(await shell(`${process.execPath} ${measure}`)) as NonNullable<
        AgentStatus['posture']
      >;
      expect(outside.checks).toMatchObject({
        firewallEnabled: true,
        screenLockEnabled: false,
        protectionRunning: true,
      });
      await vi.waitFor(async () => expect((await status()).posture).toEqual(outside), patience);
      await shell('rm /etc/postern-agent/protection');
    });

    it('comes back by itself when it is killed; names do not lead to nobody meanwhile, the firewall stays', async () => {
      await shell('systemctl kill --signal=KILL postern-agent postern-agent-firewall');
      expect(await shell(tables)).toBe('table inet postern\n');
      await untilShell(led, '0\n');
      await untilConnected();
      await untilShell(led, '1\n');
      expect(await property('postern-agent', 'NRestarts')).toBe('1');
      await untilShell('systemctl is-active postern-agent-firewall', 'active\n');
    });

    it('puts a firewall back that somebody took away, since it listens to the kernel', async () => {
      const helper = await property('postern-agent-firewall', 'MainPID');
      await untilShell(`pgrep --count --parent ${helper} --exact nft`, '1\n');
      await shell('nft flush ruleset');
      await untilShell(tables, 'table inet postern\n');
    });

    it('leaves names as they were when it is stopped, and the firewall closed', async () => {
      await shell('systemctl stop postern-agent');
      await untilShell(led, '0\n');
      expect(await shell(tables)).toBe('table inet postern\n');
      await shell('systemctl start postern-agent');
      await untilShell(led, '1\n');
    });

    it('comes up with the machine, the firewall before any network', async () => {
      await laptop.reboot();
      await untilConnected();
      await untilShell(led, '1\n');
      expect(await shell(askLedger)).toBe('the ledger\n');
      expect(await property('network-pre.target', 'After')).toContain('postern-agent-firewall.service');
      const [loaded = 0, network = 1] = (
        await shell(
          'systemctl show --property=ActiveEnterTimestampMonotonic --value postern-agent-firewall network-pre.target',
        )
      )
        .trim()
        .split(/\n+/)
        .map(Number);
      expect(loaded).toBeLessThanOrEqual(network);
    });

    it('is upgraded: settings, key and session as before, no second enrollment, no moment without its firewall', async () => {
      const key = await shell('sha256sum /var/lib/postern-agent/device.key');
      // What an administrator chose stays so.
      await shell('systemctl disable --now postern-agent-names.path');
      await shell(
        'systemd-run --unit=look sh -c "while nft list table inet postern; do sleep 0.05; done >/dev/null; touch /tmp/open"',
      );
      await shell(`dpkg --force-unsafe-io --no-triggers --install ${packages[1]}`);
      expect(await shell("dpkg-query --show --showformat='${Version}' postern-agent")).toBe('0.2.0');
      await untilConnected();
      await untilShell('systemctl is-active postern-agent-firewall', 'active\n');
      expect(await shell('systemctl is-active look; ls /tmp')).not.toContain('open');
      await shell('systemctl stop look');
      expect(await shell('sha256sum /var/lib/postern-agent/device.key')).toBe(key);
      expect(await shell('cat /etc/postern-agent/agent.yaml')).toBe(fleet());
      expect((await api('GET', '/v1/devices')).body.devices).toHaveLength(1);
      expect((await laptop.run('systemctl is-enabled postern-agent-names.path')).text).toBe('disabled\n');
      await shell('systemctl enable --now postern-agent-names.path; systemctl restart postern-agent');
      await untilShell(led, '1\n');
    });

    it("leaves by its own user's hand: revoked, without firewall and names; and may come back as another device", async () => {
      const text = await shell(
        'runuser --user postern-agent -- postern-agent leave --state /var/lib/postern-agent',
      );
      expect(text).toMatch(/device d-\w+ is revoked[^]*firewall .* was taken away/);
      expect(await shell(tables)).toBe('');
      await untilShell(led, '0\n');
      await untilShell('systemctl is-active postern-agent; ls -A /var/lib/postern-agent', 'failed\n');
      expect((await api('GET', '/v1/devices?state=revoked')).body.devices).toHaveLength(1);
      await enroll();
      await untilShell(tables, 'table inet postern\n');
      await untilShell(led, '1\n');
    });

    it('is removed with its firewall and its names and without its state, and leaves nothing when purged', async () => {
      await shell('dpkg --no-triggers --remove postern-agent');
      expect(await shell(tables)).toBe('');
      expect(await shell(led)).toBe('0\n');
      expect((await laptop.run('test -e /usr/bin/postern-agent -o -e /usr/lib/postern')).code).toBe(1);
      await shell('test -e /var/lib/postern-agent/device.key && test -e /etc/postern-agent/agent.yaml');
      await shell('dpkg --no-triggers --purge postern-agent');
      const left = await shell(
        'find /etc /usr /var/lib /run -xdev -name "*postern-agent*" -not -path "*/node_modules/*" -not -path "/run/systemd/*" | sort',
      );
      expect(left).toBe('');
    });

    it.each([
      ['postern-agent', 20],
      ['postern-agent-names', 20],
      ['postern-agent-firewall', 40],
    ])('hardens %s, as systemd counts it: at most %i tenths', (name, threshold) => {
      const unit = join(checkout, `deploy/agent/linux/${name}.service`);
      const args = ['security', '--offline=true', `--threshold=${threshold}`, '--no-pager', unit];
      expect(execFileSync('systemd-analyze', args, { encoding: 'utf8' })).toContain('Overall exposure level');
    });

    it('has nothing that lintian calls an error or a warning', { timeout: 300_000 }, () => {
      const [name = ''] = packages;
      // This one is not compressed, which saves the test its time; what is shipped is.
      const isNotShipped = 'uses-no-compression-for-control-tarball,uses-no-compression-for-data-tarball';
      const args = ['--allow-root', '--fail-on', 'error,warning', '--suppress-tags', isNotShipped];
      expect(
        execFileSync('lintian', [...args, name], {
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'inherit'],
        }),
      ).toBe('');
    });
  },
);
