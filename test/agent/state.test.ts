import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AgentError } from '../../agent/agent-error.ts';
import { message } from '../../agent/messages.ts';
import { systemClock } from '../../agent/clock.ts';
import { writeFilesAtomically } from '../../agent/state/atomic-file.ts';
import { forgetDevice, forgetWord } from '../../agent/state/forget-device.ts';
import { findLockHolder, takeLock } from '../../agent/state/lock.ts';
import { readOwnedFile } from '../../agent/state/owned-file.ts';
import { formatSettings, loadSettings } from '../../agent/state/settings-file.ts';
import {
  checkStateDirectory,
  createStateDirectory,
  defaultStateDirectory,
  statePaths,
} from '../../agent/state/state-directory.ts';

let parent: string;
let directory: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'postern-state-'));
  directory = join(parent, 'state');
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

const keyOf = (action: () => unknown): string => {
  try {
    action();
  } catch (error) {
    if (error instanceof AgentError) return error.key;
    throw error;
  }
  return 'accepted';
};

const said = (action: () => unknown): string => {
  try {
    action();
  } catch (error) {
    if (error instanceof AgentError) return message('en', error.key, error.values);
    throw error;
  }
  return 'accepted';
};

describe('state directory', () => {
  it('is made for its owner alone, and accepted as it was made', () => {
    createStateDirectory(directory);
    expect(keyOf(() => checkStateDirectory(directory))).toBe('accepted');
    chmodSync(directory, 0o755);
    expect(keyOf(() => checkStateDirectory(directory))).toBe('accepted');
  });

  it.each([0o770, 0o707, 0o777, 0o1777])('is refused when others may write to it (%o)', (mode) => {
    mkdirSync(directory);
    chmodSync(directory, mode);
    expect(keyOf(() => createStateDirectory(directory))).toBe('state-writable-by-others');
  });

  it('is refused behind a symbolic link, as a file, and when it is not there', () => {
    mkdirSync(join(parent, 'real'), { mode: 0o700 });
    symlinkSync(join(parent, 'real'), directory);
    expect(keyOf(() => checkStateDirectory(directory))).toBe('state-not-directory');
    writeFileSync(join(parent, 'file'), '');
    expect(keyOf(() => checkStateDirectory(join(parent, 'file')))).toBe('state-not-directory');
    expect(keyOf(() => checkStateDirectory(join(parent, 'nothing')))).toBe('not-enrolled');
  });

  it.skipIf(process.geteuid?.() !== 0)(
    'is refused when it belongs to someone else (needs root)',
    async () => {
      const { chownSync } = await import('node:fs');
      mkdirSync(directory, { mode: 0o700 });
      chownSync(directory, 12_345, 12_345);
      expect(keyOf(() => checkStateDirectory(directory))).toBe('state-not-ours');
    },
  );

  it('is the one of the environment, else below the state home', () => {
    expect(defaultStateDirectory({ POSTERN_AGENT_STATE: '/a/b' })).toBe('/a/b');
    expect(defaultStateDirectory({ XDG_STATE_HOME: '/s' })).toBe('/s/postern-agent');
    expect(defaultStateDirectory({}, false, parent)).toMatch(/\/\.local\/state\/postern-agent$/);
    expect(defaultStateDirectory({}, true, parent)).toBe(parent);
    expect(defaultStateDirectory({}, true, join(parent, 'nothing'))).toMatch(
      /\/\.local\/state\/postern-agent$/,
    );
    expect(defaultStateDirectory({ POSTERN_AGENT_STATE: '/a/b' }, true, parent)).toBe('/a/b');
  });
});

describe('files', () => {
  it.each([
    ['public', 0o644, 'accepted'],
    ['public', 0o664, 'file-exposed'],
    ['secret', 0o600, 'accepted'],
    ['secret', 0o640, 'file-exposed'],
    ['secret', 0o604, 'file-exposed'],
  ] as const)('of kind %s with mode %o: %s', (kind, mode, expected) => {
    const path = join(parent, 'file');
    writeFileSync(path, 'x');
    chmodSync(path, mode);
    expect(keyOf(() => readOwnedFile(path, kind))).toBe(expected);
  });

  it('are not read through a link', () => {
    writeFileSync(join(parent, 'real'), 'x', { mode: 0o600 });
    symlinkSync(join(parent, 'real'), join(parent, 'link'));
    expect(keyOf(() => readOwnedFile(join(parent, 'link'), 'secret'))).toBe('file-unreadable');
    expect(readOwnedFile(join(parent, 'nothing'), 'secret')).toBeUndefined();
  });

  it('that cannot be read say why, and what they have to be', () => {
    symlinkSync(parent, join(parent, 'looped'));
    mkdirSync(join(parent, 'folder'));
    expect(said(() => readOwnedFile(join(parent, 'looped'), 'secret'))).toMatch(/ELOOP.*belongs to the user/);
    expect(said(() => readOwnedFile(join(parent, 'folder'), 'secret'))).toContain('not a plain file');
  });

  it.skipIf(process.getuid?.() !== 0)('of another user are said to be so [needs root]', () => {
    const path = join(parent, 'file');
    writeFileSync(path, 'x', { mode: 0o600 });
    chownSync(path, 12_345, 12_345);
    expect(said(() => readOwnedFile(path, 'secret'))).toMatch(/belongs to another user.*chown/);
  });

  it('are written all or none, and nothing is left of a write that failed', () => {
    writeFileSync(join(parent, 'a'), 'old', { mode: 0o600 });
    const files = [
      { path: join(parent, 'a'), content: 'new' },
      { path: join(parent, 'missing', 'b'), content: 'new' },
    ];
    expect(() => writeFilesAtomically(files)).toThrow(/ENOENT/);
    expect([readdirSync(parent), readFileSync(join(parent, 'a'), 'utf8')]).toEqual([['a'], 'old']);
    writeFilesAtomically([{ path: join(parent, 'a'), content: 'new' }]);
    expect([readdirSync(parent), readFileSync(join(parent, 'a'), 'utf8')]).toEqual([['a'], 'new']);
  });
});

describe('agent.yaml', () => {
  const settings = {
    version: 1,
    control: 'https://control.example.org:8444',
    device: 'd-1',
    user: 'alice@example.org',
    domain: 'example.org',
    proxyPort: 8118,
  } as const;
  const write = (text: string): string => {
    const path = join(parent, 'agent.yaml');
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };

  it('is read as it was written', () => {
    expect(loadSettings(write(formatSettings(settings)))).toEqual(settings);
  });

  it.each([
    ['an unknown key', `${formatSettings(settings)}unsafePosture: x\n`],
    ['a control plane without TLS', formatSettings({ ...settings, control: 'http://control.example.org' })],
    ['a port out of range', formatSettings({ ...settings, proxyPort: 65_536 })],
    ['something that is no YAML', '{'],
  ])('is refused with %s', (_, text) => {
    expect(keyOf(() => loadSettings(write(text)))).toBe('settings-invalid');
  });
});

describe('lock', () => {
  const lockPath = (): string => join(parent, 'agent.lock');

  it('is held by one, and free again afterwards', () => {
    const lock = takeLock(lockPath());
    if ('heldBy' in lock) throw new Error('not taken');
    expect(lock.wasLeft).toBe(false);
    lock.publishPort(8118);
    expect(findLockHolder(lockPath())).toMatchObject({ pid: process.pid, port: 8118 });
    expect(takeLock(lockPath())).toMatchObject({ heldBy: { pid: process.pid, port: 8118 } });
    lock.release();
    expect(readdirSync(parent)).toEqual([]);
  });

  it('of a process that is gone is taken over, and so is one whose pid went to another process', async () => {
    const child = spawn(process.execPath, ['-e', '']);
    await once(child, 'exit');
    for (const holder of [
      { pid: child.pid, started: '1', port: 1 },
      { pid: process.pid, started: '1', port: 1 },
    ]) {
      writeFileSync(lockPath(), JSON.stringify(holder), { mode: 0o600 });
      expect(findLockHolder(lockPath())).toBeUndefined();
      const lock = takeLock(lockPath());
      if ('heldBy' in lock) throw new Error('not taken');
      expect(findLockHolder(lockPath())?.pid).toBe(process.pid);
      expect(lock.wasLeft).toBe(true);
      lock.release();
    }
  });

  it('is taken by exactly one of many that find a dead one', async () => {
    writeFileSync(lockPath(), JSON.stringify({ pid: process.pid, started: '1', port: 1 }), { mode: 0o600 });
    const module = JSON.stringify(new URL('../../agent/state/lock.ts', import.meta.url).href);
    const script = `const { takeLock } = await import(${module});
      const lock = (() => { try { return takeLock(process.argv[1]); } catch { return { heldBy: 0 }; } })();
      process.stdout.write('heldBy' in lock ? 'n' : 'Y');
      process.stdin.once('data', () => process.exit());`;
    const children = Array.from({ length: 6 }, () =>
      spawn(process.execPath, ['--input-type=module', '-e', script, lockPath()], {
        stdio: ['pipe', 'pipe', 'ignore'],
      }),
    );
    const said = await Promise.all(
      children.map(async ({ stdout }) => String((await once(stdout, 'data'))[0])),
    );
    for (const child of children) child.stdin.write('x');
    await Promise.all(children.map((child) => once(child, 'exit')));
    expect(said.filter((word) => word === 'Y')).toHaveLength(1);
  });

  it('that cannot be read is no reason not to start', () => {
    writeFileSync(lockPath(), '{', { mode: 0o600 });
    const lock = takeLock(lockPath());
    expect('heldBy' in lock).toBe(false);
  });
});

describe('leaving', () => {
  const enrolledDirectory = (): ReturnType<typeof statePaths> => {
    const paths = createStateDirectory(directory);
    for (const path of [paths.key, paths.certificate, paths.authority, paths.cache]) {
      writeFileSync(path, 'x', { mode: 0o600 });
    }
    writeFileSync(
      paths.settings,
      formatSettings({
        version: 1,
        control: 'https://c',
        device: 'd-1',
        user: 'u',
        domain: 'd',
        proxyPort: 0,
      }),
      { mode: 0o600 },
    );
    return paths;
  };

  const untold = async (): Promise<undefined> => undefined;

  it('has the control plane told while key and certificate are there, and leaves its word alone behind', async () => {
    const paths = enrolledDirectory();
    writeFileSync(paths.firewall, 'an earlier word', { mode: 0o600 });
    const tell = async ({ key, settings }: typeof paths): Promise<string> => {
      expect([existsSync(key), existsSync(settings)]).toEqual([true, true]);
      return 'the last word';
    };
    expect(await forgetDevice(directory, systemClock, tell)).toEqual({
      device: 'd-1',
      word: 'the last word',
    });
    expect([readdirSync(directory), readFileSync(paths.firewall, 'utf8')]).toEqual([
      ['firewall.jws'],
      'the last word',
    ]);
    forgetWord(directory);
    expect(existsSync(directory)).toBe(false);
  });

  it('deletes what is ours, what a crash left of it, and the directory when nothing else is in it', async () => {
    const paths = enrolledDirectory();
    writeFileSync(`${paths.key}.abc.tmp`, 'key');
    expect(await forgetDevice(directory, systemClock, untold)).toEqual({ device: 'd-1', word: undefined });
    expect(existsSync(directory)).toBe(false);
  });

  it("leaves other people's files where they are", async () => {
    enrolledDirectory();
    writeFileSync(join(directory, 'notes.txt'), 'mine');
    await forgetDevice(directory, systemClock, untold);
    expect(readdirSync(directory)).toEqual(['notes.txt']);
  });

  it('works on a damaged agent.yaml, and says when there is nothing to leave', async () => {
    const paths = enrolledDirectory();
    writeFileSync(paths.settings, '{');
    expect(await forgetDevice(directory, systemClock, untold)).toMatchObject({ device: '-' });
    mkdirSync(directory, { mode: 0o700 });
    await expect(forgetDevice(directory, systemClock, untold)).rejects.toThrow(/not-enrolled/);
  });
});
