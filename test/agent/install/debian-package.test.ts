import type { ChildProcess } from 'node:child_process';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { buildDebianPackage } from '../../../build/agent/debian-package.ts';
import { buildExecutable } from '../../../build/agent/executable.ts';
import { thirdPartyNotice } from '../../../build/agent/third-party.ts';
import { formatEnrollmentToken } from '../../../src/contract/enrollment-token.ts';
import { makeWorld } from '../lab/world.ts';
import type { World } from '../lab/world.ts';
import { makeThrowawayRoot, rootMissing } from './throwaway-root.ts';
import type { ThrowawayRoot } from './throwaway-root.ts';

// A package of 150 MB is unpacked twice, and a busy machine takes its time.
vi.setConfig({ testTimeout: 120_000 });

const checkout = fileURLToPath(new URL('../../..', import.meta.url));

describe.skipIf(rootMissing !== undefined)(
  rootMissing === undefined ? 'the Debian package' : `the Debian package [skipped: ${rootMissing}]`,
  () => {
    let directory: string;
    let packages: readonly string[];
    let world: World;
    let root: ThrowawayRoot;
    beforeAll(async () => {
      directory = await mkdtemp(join(tmpdir(), 'postern-package-'));
      const program = join(directory, 'postern-agent');
      const notice = join(directory, 'THIRD-PARTY.txt');
      const parts = await buildExecutable(join(checkout, 'agent/main.ts'), program);
      await writeFile(notice, thirdPartyNotice('postern-agent', parts));
      const made: string[] = [];
      for (const version of ['0.1.0', '0.2.0'])
        made.push(
          await buildDebianPackage({ program, notice, version, out: directory, compression: 'none' }),
        );
      packages = made;
      world = await makeWorld();
      root = await makeThrowawayRoot();
    }, 120_000);
    afterAll(async () => {
      await root.remove();
      await world.close();
      await rm(directory, { recursive: true, force: true });
    });

    const shell = async (script: string): Promise<string> => {
      const { code, text } = await root.run(script);
      if (code !== 0) throw new Error(`${script}\nended with ${code}: ${text}`);
      return text;
    };
    const fleet = (): string =>
      `control: ${world.control.url}\nenrollmentTokenFile: /var/lib/postern-agent/enrollment-token\nproxyPort: 0\n`;
    const token = (): string =>
      formatEnrollmentToken({
        rootFingerprint: world.organization.rootFingerprint,
        id: 'a'.repeat(16),
        secret: 'b'.repeat(43),
      });

    /** What the unit says, started as systemd would: its user, its command, its one capability, none of our environment. */
    async function startService(): Promise<{ agent: ChildProcess; first: string }> {
      const unit = await shell('cat /usr/lib/systemd/system/postern-agent.service');
      const setting = (key: string): string => new RegExp(`^${key}=(.*)$`, 'm').exec(unit)?.[1] ?? '';
      const agent = root.start([
        'setpriv',
        `--reuid=${setting('User')}`,
        `--regid=${setting('Group')}`,
        '--clear-groups',
        '--inh-caps=-all,+net_bind_service',
        '--ambient-caps=+net_bind_service',
        '--bounding-set=-all,+net_bind_service',
        '--no-new-privs',
        'env',
        '-i',
        setting('Environment'),
        ...setting('ExecStart').split(' '),
      ]);
      let errors = '';
      agent.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()));
      if (agent.stdout === null) throw new TypeError('no output');
      const first = await Promise.race([
        once(createInterface({ input: agent.stdout }), 'line').then(([line]) => String(line)),
        once(agent, 'exit').then(([code]) => `ended with ${code}: ${errors}`),
      ]);
      return { agent, first };
    }
    const stop = async (agent: ChildProcess): Promise<unknown> => {
      const ended = once(agent, 'exit');
      agent.kill('SIGTERM');
      return (await ended)[0];
    };
    /** As root asks, without saying where the state is. */
    const status = (): Promise<string> => shell('postern-agent status');

    // One life of a laptop, in its order.
    it('installs: a user, a directory of its own, a service that starts with the machine', async () => {
      // What this machine has of Postern is not in the way.
      await shell('rm -rf /etc/postern-agent /var/lib/postern-agent /var/lib/postern-agent-firewall');
      await shell(`dpkg --force-unsafe-io --install ${packages[0]}`);
      expect(await shell('postern-agent --version')).toMatch(/^\d+\.\d+\.\d+\n$/);
      expect(
        await shell(
          'stat -c "%U %a" /var/lib/postern-agent /etc/postern-agent/agent.yaml /usr/lib/postern/postern-agent',
        ),
      ).toBe('postern-agent 700\nroot 644\nroot 755\n');
      expect(await shell('readlink /etc/systemd/system/multi-user.target.wants/postern-agent*')).toBe(
        ['postern-agent-firewall.service', 'postern-agent-names.path', 'postern-agent.service']
          .map((unit) => `/lib/systemd/system/${unit}\n`)
          .join(''),
      );
      expect(await shell('dpkg --verify postern-agent')).toBe('');
    });

    it('says that a laptop is not enrolled until it is told where to, and refuses settings it does not know', async () => {
      const { first } = await startService();
      expect(first).toMatch(/^ended with 2: .*not enrolled/);
      await shell('echo "contrl: https://c.example.org" > /etc/postern-agent/agent.yaml');
      expect((await startService()).first).toMatch(
        /^ended with 2: .*agent\.yaml.* line 1: contrl: unknown key/,
      );
    });

    it('enrolls at its first start by what device management laid there, and comes up with the session', async () => {
      await shell(`cat > /etc/postern-agent/agent.yaml <<END\n${fleet()}END
        install -o postern-agent -g postern-agent -m 600 /dev/null /var/lib/postern-agent/enrollment-token
        echo ${token()} > /var/lib/postern-agent/enrollment-token`);
      const { agent, first } = await startService();
      expect(first).toMatch(/^ready http:\/\/127\.0\.0\.1:\d+$/);
      expect(await status()).toMatch(/^State +connected/);
      expect(await shell('ls /var/lib/postern-agent')).not.toContain('enrollment-token');
      expect(await stop(agent)).toBe(0);
    });

    it('is upgraded: settings, key and session as before, and no second enrollment', async () => {
      const key = await shell('sha256sum /var/lib/postern-agent/device.key');
      const { agent } = await startService();
      await shell(`dpkg --force-unsafe-io --install ${packages[1]}`);
      expect(await shell("dpkg-query --show --showformat='${Version}' postern-agent")).toBe('0.2.0');
      // What runs goes on until systemd starts the new one.
      expect(await status()).toMatch(/^State +connected/);
      expect(await stop(agent)).toBe(0);
      const after = await startService();
      expect(after.first).toMatch(/^ready /);
      expect(await stop(after.agent)).toBe(0);
      expect(await shell('sha256sum /var/lib/postern-agent/device.key')).toBe(key);
      expect(await shell('cat /etc/postern-agent/agent.yaml')).toBe(fleet());
      expect(world.control.requests.filter(({ path }) => path === '/v1/enroll')).toHaveLength(1);
    });

    it('is removed without its state, and leaves neither key nor settings when purged', async () => {
      await shell('dpkg --remove postern-agent');
      expect((await root.run('test -e /usr/bin/postern-agent -o -e /usr/lib/postern')).code).toBe(1);
      await shell('test -e /var/lib/postern-agent/device.key && test -e /etc/postern-agent/agent.yaml');
      await shell('dpkg --purge postern-agent');
      const left = await shell(
        'find /etc /usr /var/lib -xdev -name "*postern-agent*" -not -path "*/node_modules/*" | sort; ls -d /etc/postern-agent 2>/dev/null || true',
      );
      expect(left).toBe('');
    });

    it.each([
      ['postern-agent', 20],
      ['postern-agent-names', 20],
      ['postern-agent-firewall', 30],
    ])('hardens %s, as systemd counts it: at most %i tenths', (name, threshold) => {
      const unit = join(checkout, `deploy/agent/linux/${name}.service`);
      const args = ['security', '--offline=true', `--threshold=${threshold}`, '--no-pager', unit];
      expect(execFileSync('systemd-analyze', args, { encoding: 'utf8' })).toContain('Overall exposure level');
    });

    it('has nothing that lintian calls an error or a warning', { timeout: 300_000 }, () => {
      const [package_ = ''] = packages;
      // This one is not compressed, which saves the test its time; what is shipped is.
      const isNotShipped = 'uses-no-compression-for-control-tarball,uses-no-compression-for-data-tarball';
      const args = ['--allow-root', '--fail-on', 'error,warning', '--suppress-tags', isNotShipped, package_];
      expect(execFileSync('lintian', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })).toBe(
        '',
      );
    });
  },
);
