import { execFile, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Identity } from '../control/control-lab.ts';
import { quietArguments, trustAuthorities } from '../lab/chromium.ts';
import { startBrowserLab } from './browser-lab.ts';
import type { BrowserLab } from './browser-lab.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });
const run = promisify(execFile);

const programs = ['/usr/bin/chromium', '/usr/bin/certutil', '/usr/bin/pk12util', '/usr/bin/openssl'];
const isRoot = process.getuid?.() === 0;
const missing = programs.filter((path) => !existsSync(path));
const reason =
  missing.length > 0
    ? `needs ${missing.join(', ')}: apt-get install chromium libnss3-tools openssl`
    : isRoot
      ? ''
      : 'needs root, for the policy by which Chromium chooses a certificate';

describe.skipIf(reason !== '')(
  `Chromium with a device certificate and no agent${reason === '' ? '' : ` (${reason})`}`,
  () => {
    let lab: BrowserLab;
    let home: string;
    const policy = `/etc/chromium/policies/managed/postern-test-${process.pid}.json`;

    beforeAll(async () => {
      lab = await startBrowserLab();
      home = await mkdtemp(join(tmpdir(), 'postern-chromium-'));
      await mkdir('/etc/chromium/policies/managed', { recursive: true });
      // Without it a person would be asked which certificate to show.
      const pattern = JSON.stringify({ pattern: 'https://[*.]example.org', filter: {} });
      await writeFile(policy, JSON.stringify({ AutoSelectCertificateForUrls: [pattern] }));
      await giveCertificates(home, await lab.enroll(), [lab.made.rootPem, lab.provider.authorityPem]);
    });
    afterAll(async () => {
      await rm(policy, { force: true });
      await lab.close();
      await rm(home, { recursive: true, force: true });
    });

    const open = async (url: string): Promise<string> => {
      const { stdout } = await run(
        '/usr/bin/chromium',
        [
          ...quietArguments(join(home, 'profile')),
          '--host-resolver-rules=MAP *.example.org 127.0.0.1',
          '--virtual-time-budget=20000',
          '--dump-dom',
          url,
        ],
        { env: { HOME: home, PATH: '/usr/bin:/bin' }, timeout: 100_000 },
      );
      return stdout;
    };

    /** What the application was shown; icons are asked for beside pages. */
    const cookieAt = (path: string): string | undefined =>
      lab.received.find(({ url }) => url === path)?.headers['cookie'];

    it('is led to the provider and back to the page, and keeps the cookie for the next start', async () => {
      expect(await open(lab.address('/report'))).toContain('grants for alice@example.org');
      expect(cookieAt('/report')).toBeUndefined();
      const asked = lab.provider.grants.length;
      expect(await open(lab.address('/next'))).toContain('grants for alice@example.org');
      expect(lab.provider.grants).toHaveLength(asked);
      expect(cookieAt('/next') ?? '').not.toContain('postern');
    });

    it('shows the page that says why, when the provider names another user', async () => {
      lab.provider.person = { account: 'bob' };
      await rm(join(home, 'profile'), { recursive: true, force: true });
      expect(await open(lab.address('/report'))).toContain('sign-in-wrong-user');
      lab.provider.person = { account: 'alice', amr: ['pwd'] };
    });
  },
);

/** The store that Chromium on Linux reads: authorities to trust, and the key with its certificate. */
async function giveCertificates(home: string, client: Identity, trust: readonly string[]): Promise<void> {
  const store = await trustAuthorities(home, trust);
  const [key, chain, bundle] = [join(home, 'device.key'), join(home, 'device.crt'), join(home, 'device.p12')];
  await writeFile(key, client.keyPem, { mode: 0o600 });
  await writeFile(chain, client.chainPem);
  execFileSync('/usr/bin/openssl', [
    'pkcs12',
    '-export',
    '-inkey',
    key,
    '-in',
    chain,
    '-out',
    bundle,
    '-passout',
    'pass:lab',
    '-name',
    'device',
  ]);
  execFileSync('/usr/bin/pk12util', ['-d', store, '-i', bundle, '-W', 'lab', '-K', '']);
}
