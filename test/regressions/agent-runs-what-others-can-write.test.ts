/*
 * cloudflared CVE-2020-24356 and Kolide CVE-2024-54131: an agent that runs with more rights than the user in front of it
 * looked for its configuration or its helper programs where that user could put files, by a search path or in a
 * directory that others may write to. Whoever wrote there first had the agent's rights. Here: programs are run by
 * absolute path and only when root alone could have put them there, every directory above included, with nothing of the
 * environment; and a state directory that others may write to, or that is someone else's, is not read at all.
 */
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { checkTrusted, runTrusted } from '../../agent/posture/run-trusted.ts';
import { checkStateDirectory } from '../../agent/state/state-directory.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'postern-trusted-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

it("runs a program of root's, without the environment of whoever started the agent", async () => {
  process.env['POSTERN_TEST_LEAK'] = 'leaked';
  const output = await runTrusted('/usr/bin/env', [], { timeoutMs: 5000 });
  delete process.env['POSTERN_TEST_LEAK'];
  expect(output).toBe('LC_ALL=C\n');
});

it('refuses a program below a directory that others may write to, and a link that leads to one', async () => {
  const program = join(directory, 'nft');
  copyFileSync('/bin/true', program);
  chmodSync(program, 0o755);
  // The system's temporary directory is everybody's, sticky or not.
  await expect(checkTrusted(program)).rejects.toThrow(/not root's alone/);
  symlinkSync(program, join(directory, 'link'));
  await expect(checkTrusted(join(directory, 'link'))).rejects.toThrow(/not root's alone/);
});

it.each(['nft', './nft', '../usr/sbin/nft', ''])(
  'refuses %j, which a search path would resolve',
  async (path) => {
    await expect(checkTrusted(path)).rejects.toThrow(TypeError);
  },
);

it('refuses a state directory that others may write to, and takes one that is ours alone', () => {
  const state = join(directory, 'state');
  mkdirSync(state, { mode: 0o700 });
  expect(checkStateDirectory(state).key).toBe(join(state, 'device.key'));
  chmodSync(state, 0o720);
  expect(() => checkStateDirectory(state)).toThrow(/state-writable-by-others/);
});
