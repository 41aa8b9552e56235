import { execFile, execFileSync } from 'node:child_process';
import { truncateSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AgentError } from '../../agent/agent-error.ts';
import { message } from '../../agent/messages.ts';
import { formatEnrollmentToken } from '../../src/contract/enrollment-token.ts';
import { makeWorld } from './lab/world.ts';
import type { World } from './lab/world.ts';

// Each start of the command is a process of its own, and a busy machine takes its time.
vi.setConfig({ testTimeout: 90_000 });

const main = fileURLToPath(new URL('../../agent/main.ts', import.meta.url));

let world: World;
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(() => world.close());

async function refusal(): Promise<string> {
  try {
    await (await world.startLaptop()).stop();
  } catch (error) {
    if (error instanceof AgentError) return message('en', error.key, error.values);
    throw error;
  }
  return 'accepted';
}

describe('a damaged state file', () => {
  it.each(['key', 'certificate', 'authority', 'settings'] as const)(
    'is named, with the way back: %s',
    async (name) => {
      expect(await refusal()).toBe('accepted');
      for (const content of ['', '\u0000\u0000\u0000\u0000', '-----BEGIN CERTIFICATE-----\nMIIB']) {
        writeFileSync(world.paths[name], content);
        const said = await refusal();
        expect(said).toContain(basename(world.paths[name]));
        expect(said).toContain('enroll --force');
      }
    },
  );

  it('that only remembers does not keep the agent from its work', async () => {
    for (const path of [world.paths.cache, world.paths.signIn, world.paths.lock])
      writeFileSync(path, '{"pid": ', { mode: 0o600 });
    const laptop = await world.startLaptop();
    await laptop.reach('connected');
    // And is whole again.
    await laptop.stop();
    truncateSync(world.paths.cache, 10);
    await (await world.startLaptop()).reach('connected');
  });
});

/** A disk of 64 KB in a mount namespace of its own, where the state directory lies; scripts run on it. */
const mount = ['--user', '--map-root-user', '--mount'];
const canMount = ((): boolean => {
  try {
    execFileSync('unshare', [...mount, 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

describe.skipIf(!canMount)(
  canMount
    ? 'a full disk'
    : 'a full disk [skipped: needs user namespaces: apt-get install util-linux, or run as root]',
  () => {
    let disk: string;
    beforeEach(async () => {
      disk = await mkdtemp(join(tmpdir(), 'postern-disk-'));
    });
    afterEach(() => rm(disk, { recursive: true, force: true }));

    const onDisk = (script: string): Promise<{ code: number; out: string; err: string }> =>
      new Promise((resolve) => {
        const prepared = `set -e
          mount -t tmpfs -o size=64k,mode=700 tmpfs ${disk}
          agent() { ${process.execPath} ${main} "$@"; }
          fill() { cat /dev/zero > ${disk}/filler 2>/dev/null || true; }
          ${script}`;
        execFile('unshare', [...mount, 'sh', '-c', prepared], (error, out, err) =>
          resolve({ code: error === null ? 0 : Number(error.code), out, err }),
        );
      });
    const token = (): string =>
      formatEnrollmentToken({
        rootFingerprint: world.organization.rootFingerprint,
        id: 'a'.repeat(16),
        secret: 'b'.repeat(43),
      });

    it.each([0, 1, 2])(
      'refuses to enroll with %i pages left, says so, and leaves what was there',
      async (pages) => {
        const { code, out, err } = await onDisk(`
        fill; truncate -s -${pages * 4096} ${disk}/filler
        code=0; agent enroll ${world.control.url} ${token()} --state ${disk} || code=$?
        ls ${disk}; exit $code`);
        expect([code, out]).toEqual([1, 'filler\n']);
        expect(err).toContain(`${disk} cannot be written`);
        expect(err).toContain('ENOSPC');
        // The token serves once: it is still there for the next try.
        expect(world.control.requests.map(({ path }) => path)).not.toContain('/v1/enroll');
      },
    );

    it('ends a start with a sentence, and none of an agent that was up before', async () => {
      const start = await onDisk(`
        cp ${world.paths.directory}/* ${disk}; chmod 600 ${disk}/*; fill
        code=0; agent up --state ${disk} || code=$?
        rm ${disk}/filler; ls ${disk}; exit $code`);
      expect([start.code, start.out]).toEqual([1, 'agent.yaml\nca.crt\ndevice.crt\ndevice.key\n']);
      expect(start.err).toContain('ENOSPC');

      const filled = await onDisk(`
        cp ${world.paths.directory}/* ${disk}; chmod 600 ${disk}/*
        ${process.execPath} ${main} up --state ${disk} > ${disk}/out & up=$!
        until grep -q ^ready ${disk}/out; do sleep 0.05; done
        fill
        code=0; agent status --state ${disk} || code=$?
        kill $up; wait $up; exit $code`);
      expect([filled.code, filled.out]).toEqual([0, expect.stringMatching(/^State +connected/)]);
    });
  },
);
