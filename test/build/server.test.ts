import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeInstallation } from '../control/installation.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const execute = promisify(execFile);

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'postern-server-'));
  await execute(process.execPath, [join(root, 'build/server.ts'), '--out', directory]);
  // What `npm ci --omit=dev` would lay there.
  await symlink(join(root, 'node_modules'), join(directory, 'node_modules'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

it('serves as the sources do: control plane, worker and all', async () => {
  const installation = await makeInstallation();
  const server = spawn(
    process.execPath,
    [join(directory, 'src/main.js'), 'serve', '--config', installation.configFile, '--workers', '1'],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  try {
    const [line] = (await once(createInterface({ input: server.stdout }), 'line')) as [string];
    expect(line).toMatch(/^ready .*control=/);
    const exited = once(server, 'exit');
    server.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
  } finally {
    server.kill('SIGKILL');
    await installation.remove();
  }
});

it('has the commands where its manifest says, in the version of the sources', async () => {
  const manifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as {
    version: string;
    bin: Record<string, string>;
    dependencies: Record<string, string>;
  };
  expect(Object.keys(manifest.bin)).toEqual(['postern', 'postern-agent']);
  for (const script of Object.values(manifest.bin)) {
    const { stdout } = await execute(process.execPath, [join(directory, script), '--version']);
    expect(stdout).toBe(`${manifest.version}\n`);
  }
  const { version, dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  expect(manifest).toMatchObject({ version, dependencies });
});
