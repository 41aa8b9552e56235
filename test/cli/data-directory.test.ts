import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { makeInstallation } from '../control/installation.ts';
import type { Installation } from '../control/installation.ts';
import { runPostern } from './run-postern.ts';

// Each test starts several processes, and a busy machine takes its time.
vi.setConfig({ testTimeout: 90_000 });

let made: Installation;
beforeEach(async () => {
  made = await makeInstallation();
});
afterEach(() => made.remove());

const serve = () => runPostern(['serve', '--config', made.configFile]);

it('does not serve from a data directory of another version, and names both', async () => {
  await writeFile(join(made.data, 'FORMAT'), 'postern-data-2\n');
  const refused = await serve();
  expect(refused).toMatchObject({ code: 2, out: '' });
  expect(refused.err).toBe(
    `postern: data directory ${made.data} has the format "postern-data-2", and this version of postern reads postern-data-1 only; start the version that made it, or restore a backup\n`,
  );
});

it('does not serve from a directory that init did not make', async () => {
  await rm(join(made.data, 'FORMAT'));
  expect((await serve()).err).toContain(`${made.data} is not a data directory of postern`);
});

const asOwnRoot = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
const canMount =
  spawnSync('unshare', [...asOwnRoot, '--mount', 'mount', '-t', 'tmpfs', 'none', '/mnt']).status === 0;
const title = canMount
  ? 'a data directory on a file system of its own'
  : 'a data directory on a file system of its own (skipped: needs mount namespaces; apt-get install util-linux mount)';

describe.skipIf(!canMount)(title, () => {
  const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

  /** Runs `serve` after `script`, with the data directory copied to a small file system at $1. */
  async function serveOn(script: string): Promise<{ status: number | null; stderr: string; stdout: string }> {
    const mount = await mkdtemp(join(tmpdir(), 'postern-mount-'));
    try {
      const commands = `mount -t tmpfs -o size=1m,mode=700 none "$1" && cp -r "$2/." "$1" && ${script} && exec "$3" "$4" serve --config "$1/postern.yaml"`;
      return spawnSync(
        'unshare',
        [...asOwnRoot, '--mount', 'sh', '-c', commands, 'sh', mount, made.data, process.execPath, main],
        { encoding: 'utf8', timeout: 25_000 },
      );
    } finally {
      await rm(mount, { recursive: true, force: true });
    }
  }

  it('is refused with a sentence when it is read-only', async () => {
    const refused = await serveOn('mount -o remount,ro "$1"');
    expect(refused).toMatchObject({ status: 2, stdout: '' });
    expect(refused.stderr).toMatch(
      /^postern: data directory \S+ cannot be written: the file system is read-only\n$/,
    );
  });

  it('is refused with a sentence when it is full', async () => {
    const refused = await serveOn('{ dd if=/dev/zero of="$1/filler" bs=4k 2>/dev/null || true; }');
    expect(refused).toMatchObject({ status: 2, stdout: '' });
    expect(refused.stderr).toMatch(/^postern: data directory \S+ cannot be written: the disk is full\n$/);
  });

  it('is left empty by an init that finds no room to finish', async () => {
    const mount = await mkdtemp(join(tmpdir(), 'postern-mount-'));
    try {
      const script =
        'mount -t tmpfs -o size=32k,mode=700 none "$1" && { "$2" "$3" init --data "$1"; echo "code $?"; ls -A "$1"; }';
      const child = spawnSync(
        'unshare',
        [...asOwnRoot, '--mount', 'sh', '-c', script, 'sh', mount, process.execPath, main],
        {
          encoding: 'utf8',
          timeout: 25_000,
        },
      );
      expect(child.stdout).toBe('code 2\n');
      expect(child.stderr).toMatch(/^postern: \S+ could not be set up: /);
    } finally {
      await rm(mount, { recursive: true, force: true });
    }
  });
});
