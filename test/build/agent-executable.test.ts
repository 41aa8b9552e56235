import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import { bundle } from '../../build/agent/bundle.ts';
import type { BundledPackage } from '../../build/agent/bundle.ts';
import { buildExecutable } from '../../build/agent/executable.ts';
import { thirdPartyNotice } from '../../build/agent/third-party.ts';
import { formatEnrollmentToken } from '../../src/contract/enrollment-token.ts';
import { startTpm, tpmMissing } from '../agent/lab/tpm.ts';
import { makeWorld } from '../agent/lab/world.ts';

const entry = fileURLToPath(new URL('../../agent/main.ts', import.meta.url));

let directory: string;
let program: string;
let packages: readonly BundledPackage[];
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'postern-build-test-'));
  program = join(directory, 'postern-agent');
  packages = await buildExecutable(entry, program);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Where there is neither Node nor this checkout to be found. */
const run = (
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number; out: string; err: string }> =>
  new Promise((resolve) => {
    execFile(program, [...args], { env, cwd: directory }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });

it('is one file that says its version and does what the agent does', async () => {
  expect(await run(['--version'])).toEqual({ code: 0, out: `${manifest.version}\n`, err: '' });
  const help = await run(['--help']);
  expect([help.code, help.out.match(/^ {2}(enroll|up|status|leave) /gm)?.length]).toEqual([0, 4]);
  expect(await run(['up', '--state', join(directory, 'none')])).toMatchObject({
    code: 2,
    err: expect.stringContaining('not enrolled'),
  });
});

const withoutTpm = tpmMissing();
it.skipIf(withoutTpm !== '')(
  `proves the laptop by a key in its TPM${withoutTpm === '' ? '' : ` [skipped: ${withoutTpm}]`}`,
  { timeout: 60_000 },
  async () => {
    const [world, tpm] = await Promise.all([makeWorld(), startTpm()]);
    try {
      const state = ['--state', join(directory, 'state')];
      const token = formatEnrollmentToken({
        rootFingerprint: world.organization.rootFingerprint,
        id: randomBytes(12).toString('base64url'),
        secret: randomBytes(32).toString('base64url'),
      });
      const enroll = ['enroll', world.control.url, token, '--key', 'tpm', ...state];
      expect(await run(enroll, tpm.environment)).toMatchObject({
        code: 0,
        out: expect.stringContaining('in the TPM'),
      });
      // Asked for by a handshake, in the process that took the place of the first.
      expect(await run(['token', ...state], tpm.environment)).toMatchObject({
        code: 0,
        out: expect.stringMatching(/^token-/),
        err: '',
      });
      expect(world.control.tokens.size).toBe(1);
    } finally {
      await Promise.all([world.close(), tpm.remove()]);
    }
  },
);

it('loads no code that its environment names', async () => {
  const script = join(directory, 'injected.cjs');
  await writeFile(script, 'console.log("injected");');
  const { out } = await run(['--version'], { NODE_OPTIONS: `--require ${script}` });
  expect(out).toBe(`${manifest.version}\n`);
  // The runtime itself would have.
  const plain = await new Promise((resolve) => {
    execFile(process.execPath, ['-e', ''], { env: { NODE_OPTIONS: `--require ${script}` } }, (_, text) =>
      resolve(text),
    );
  });
  expect(plain).toBe('injected\n');
});

it('comes out the same, byte for byte, of the same sources', async () => {
  const again = join(directory, 'again');
  await buildExecutable(entry, again);
  const digest = async (file: string): Promise<string> => {
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
    return hash.digest('hex');
  };
  expect(await digest(again)).toBe(await digest(program));
});

it('tells the license of each package in it, and of the runtime', async () => {
  const names = packages.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(['Node.js', 'commander', 'pino', 'typebox', 'yaml']));
  expect(names).not.toContain('fastify');
  const notice = thirdPartyNotice('postern-agent', packages);
  for (const { name, version, license } of packages)
    expect(notice).toContain(`${name} ${version} (${license})`);
  expect(notice).toContain('OpenSSL');
  const bare = { name: 'bare', version: '1.0.0', license: 'MIT', directory };
  expect(() => thirdPartyNotice('postern-agent', [bare])).toThrow('bare comes without a license text');
});

it('is plain ASCII in one piece, and is not made where an import would be missing on the laptop', async () => {
  const file = join(directory, 'main.cjs');
  await bundle(entry, file);
  expect(await readFile(file, 'latin1')).not.toMatch(/[\x80-\xff]/);
  const source = join(directory, 'broken.ts');
  await writeFile(source, "import { nothing } from 'no-such-package';\nconsole.log(nothing);\n");
  await expect(bundle(source, join(directory, 'broken.cjs'))).rejects.toThrow('no-such-package');
});
