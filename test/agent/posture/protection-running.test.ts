import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  protectionRunning,
  readProcessPaths,
  systemPrograms,
} from '../../../agent/posture/checks/protection-running.ts';
import { protectionFile } from '../../../agent/posture/protection-programs.ts';
import { createSystemFiles } from '../../../agent/posture/system-files.ts';
import { answering, useSystem } from './lab.ts';

const system = useSystem();
const isRoot = process.geteuid?.() === 0;
/** What is laid out is "root's" when we are root, or when it is ours; /proc says who really runs a process. */
const names = (...programs: string[]) => ({ [protectionFile.linux]: `# ours\n${programs.join('\n')}\n` });
const clamd = { '/usr/sbin/clamd': 'a program' };
const running = (pid: string) => ({ [`/proc/${pid}/exe`]: '->/usr/sbin/clamd' });

describe('on Linux', () => {
  it.skipIf(!isRoot)('finds the process that executes the very file [skipped: needs root]', async () => {
    system.lay({ ...names('/usr/sbin/clamd'), ...clamd, '/proc/77/exe': '', ...running('99') });
    expect(await system.find(protectionRunning)).toMatchObject({
      value: true,
      watch: ['/usr/sbin/clamd', '/proc/99/exe'],
    });
  });

  it.each([
    ['names none', {}, 'unknown'],
    ['is empty', names(), 'unknown'],
    ['names one that does not run', { ...names('/usr/sbin/clamd'), ...clamd, '/proc/77/exe': '' }, false],
  ])('with a file that %s', async (_, files, expected) => {
    system.lay(files);
    expect((await system.find(protectionRunning)).value).toBe(expected);
  });

  it('is not taken in by a copy, nor by a process of the same name', async () => {
    system.lay({
      ...names('/usr/sbin/clamd'),
      ...clamd,
      '/home/alice/clamd': 'a program',
      '/proc/99/exe': '->/home/alice/clamd',
      '/proc/99/comm': 'clamd\n',
    });
    expect((await system.find(protectionRunning)).value).toBe(false);
  });

  it.each([
    ['a relative path', names('clamd'), /no absolute path/],
    ['a program that is not there', names('/usr/sbin/clamd'), /is not there/],
  ])('refuses %s', async (_, files, reason) => {
    system.lay(files);
    await expect(system.find(protectionRunning)).rejects.toThrow(reason);
  });

  it('refuses a program, and a list of programs, that others may write', async () => {
    system.lay({ ...names('/usr/sbin/clamd'), ...clamd, ...running('99') });
    chmodSync(join(system.root, '/usr/sbin/clamd'), 0o777);
    await expect(system.find(protectionRunning)).rejects.toThrow("clamd is not root's alone");
    chmodSync(join(system.root, dirname(protectionFile.linux)), 0o777);
    await expect(system.find(protectionRunning)).rejects.toThrow("postern-agent is not root's alone");
  });

  it.skipIf(!isRoot)(
    'sees a real process, and in its next glance that it ended [skipped: needs root]',
    async () => {
      // Owned by root from top to bottom, which a directory for temporary files is not.
      mkdirSync('/run/postern-test', { recursive: true });
      const directory = mkdtempSync('/run/postern-test/');
      const program = join(directory, 'guard');
      copyFileSync('/usr/bin/sleep', program);
      chmodSync(program, 0o755);
      const child = spawn(program, ['600']);
      try {
        await once(child, 'spawn');
        const real = createSystemFiles();
        // The list is laid out, the rest of the system is this one.
        const files = {
          ...real,
          read: (path: string) =>
            path === protectionFile.linux ? Promise.resolve(Buffer.from(program)) : real.read(path),
          resolve: (path: string) =>
            path === protectionFile.linux ? Promise.resolve('/') : real.resolve(path),
        };
        const found = await system.find(protectionRunning, { files });
        expect(found).toMatchObject({ value: true, watch: [program, `/proc/${child.pid}/exe`] });
        const exited = once(child, 'exit');
        child.kill('SIGKILL');
        await exited;
        // Where even root may not look at all processes, as in some containers, it cannot say that none is left.
        const after = await system.find(protectionRunning, { files }).catch(() => undefined);
        expect(after?.value).not.toBe(true);
      } finally {
        child.kill('SIGKILL');
        rmSync(directory, { recursive: true });
      }
    },
  );
});

describe('on macOS', () => {
  it('counts programs of the system, not those of a user', () => {
    const output = '    0 /usr/libexec/guard\n  501 /Users/alice/guard\n   88 /usr/libexec/two words\n';
    expect([...systemPrograms(output)]).toEqual(['/usr/libexec/guard', '/usr/libexec/two words']);
  });

  it.each([
    ['    0 /usr/libexec/guard\n', true],
    ['  501 /usr/libexec/guard\n', false],
  ])('among %j', async (output, expected) => {
    system.lay({ [protectionFile.darwin]: '/usr/libexec/guard\n', '/usr/libexec/guard': '' });
    const run = answering({ '/bin/ps -axo uid=,comm=': output });
    expect((await system.find(protectionRunning, { platform: 'darwin', run })).value).toBe(expected);
  });
});

describe('on Windows', () => {
  const defender = 'C:\\ProgramData\\Microsoft\\Windows Defender\\Platform\\4.18\\MsMpEng.exe';
  it.each([
    [defender, [{ ExecutablePath: null }, { ExecutablePath: defender.toUpperCase() }], true],
    [defender, [{ ExecutablePath: null }], false],
    ['C:\\Users\\alice\\guard.exe', [{ ExecutablePath: 'C:\\Users\\alice\\guard.exe' }], 'unknown'],
  ])('%s', async (program, rows, expected) => {
    system.lay({ [protectionFile.win32]: `${program}\r\n` });
    const run = (): Promise<string> => Promise.resolve(JSON.stringify(rows));
    expect((await system.find(protectionRunning, { platform: 'win32', run })).value).toBe(expected);
    expect(readProcessPaths('')).toEqual(new Set());
  });
});
