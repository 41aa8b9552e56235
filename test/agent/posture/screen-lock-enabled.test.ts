import { describe, expect, it } from 'vitest';
import {
  readScreenLock,
  readWindowsLock,
  screenLockEnabled,
} from '../../../agent/posture/checks/screen-lock-enabled.ts';
import { judgeGnome, judgeKde, parseGsettings, parseKdeGroup } from '../../../agent/posture/desktop-lock.ts';
import type { RunOptions } from '../../../agent/posture/run-trusted.ts';
import { parseRegistry } from '../../../agent/posture/powershell.ts';
import { recorded, useSystem } from './lab.ts';

const system = useSystem();
const session = (more: Readonly<Record<string, string>> = {}): string =>
  Object.entries({
    UID: '1000',
    USER: 'alice',
    ACTIVE: '1',
    STATE: 'active',
    REMOTE: '0',
    TYPE: 'wayland',
    CLASS: 'user',
    DESKTOP: 'gnome',
    ...more,
  })
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');
const passwd = 'root:x:0:0:root:/root:/bin/bash\nalice:x:1000:1001:Alice,,,:/home/alice:/bin/bash\n';
const layout = (desktop: string) => ({
  '/etc/passwd': passwd,
  '/run/systemd/sessions/2': session({ DESKTOP: desktop }),
  // logind keeps a pipe beside each session.
  '/run/systemd/sessions/2.ref': '',
  '/run/systemd/sessions/c1': session({ UID: '110', CLASS: 'greeter' }),
  '/run/systemd/sessions/7': session({ UID: '1001', TYPE: 'tty', REMOTE: '1' }),
});
const gsettings = recorded('gsettings-defaults.txt');

describe('on Linux', () => {
  it('asks GNOME as the user who sits at the screen, and as nobody else', async () => {
    system.lay(layout('ubuntu:GNOME'));
    const asked: [string, RunOptions | undefined][] = [];
    const run = (path: string, args: readonly string[], options?: RunOptions): Promise<string> => {
      asked.push([`${path} ${args.join(' ')}`, options]);
      return Promise.resolve(gsettings);
    };
    const finding = await system.find(screenLockEnabled, { uid: 0, privileged: true, run });
    expect(finding).toMatchObject({ value: true, reason: 'the screen locks after 5 minutes' });
    const as = { as: { uid: 1000, gid: 1001 } };
    const environment = { HOME: '/home/alice', XDG_RUNTIME_DIR: '/run/user/1000' };
    expect(asked).toEqual(
      ['screensaver', 'session', 'lockdown'].map((schema) => [
        `/usr/bin/gsettings list-recursively org.gnome.desktop.${schema}`,
        { ...as, environment },
      ]),
    );
  });

  it.each([
    ['of another user', { uid: 1002, desktop: 'gnome' }],
    ['of a desktop that it does not know', { uid: 1000, desktop: 'sway' }],
  ])('is unknown %s', async (_, { uid, desktop }) => {
    system.lay(layout(desktop));
    expect((await system.find(screenLockEnabled, { uid })).value).toBe('unknown');
  });

  it('is unknown where nobody sits at a screen, and where nobody says who does', async () => {
    expect((await system.find(screenLockEnabled)).reason).toContain('logind');
    system.lay({ '/run/systemd/sessions/7': session({ TYPE: 'tty' }) });
    expect((await system.find(screenLockEnabled)).reason).toBe('nobody is signed in at a screen');
  });

  it('reads the files of KDE, in which an administrator may fix what the user may not change', async () => {
    const own = '/home/alice/.config/kscreenlockerrc';
    system.lay({ ...layout('KDE'), [own]: '[Daemon]\nAutolock=false\n[Greeter]\nTheme=x\n' });
    expect((await system.find(screenLockEnabled)).value).toBe(false);
    system.lay({ '/etc/xdg/kscreenlockerrc': '[Daemon]\nAutolock[$i]=true\nTimeout[$i]=10\n' });
    expect(await system.find(screenLockEnabled)).toMatchObject({
      value: true,
      reason: 'the screen locks after 10 minutes',
    });
  });

  it('changes its glance with the settings and with who is signed in', async () => {
    system.lay({ ...layout('gnome'), '/home/alice/.config/dconf/user': 'a' });
    const glance = async () => screenLockEnabled.platforms.linux?.glance?.(system.context());
    const first = await glance();
    expect(await glance()).toBe(first);
    system.remove('/home/alice/.config/dconf/user');
    const second = await glance();
    expect(second).not.toBe(first);
    system.remove('/run/systemd/sessions/2');
    expect(await glance()).not.toBe(second);
  });
});

it.each([
  ['as GNOME comes', {}, true],
  ['switched off', { 'screensaver lock-enabled': 'false' }, false],
  ['with a screen that never becomes idle', { 'session idle-delay': '0' }, false],
  ['after half an hour', { 'screensaver lock-delay': '1800' }, false],
  ['disabled by an administrator', { 'lockdown disable-lock-screen': 'true' }, false],
  ['with something else', { 'session idle-delay': 'soon' }, 'unknown'],
])('judges GNOME %s', (_, changes, expected) => {
  const settings = new Map(parseGsettings(gsettings));
  for (const [key, value] of Object.entries(changes)) settings.set(`org.gnome.desktop.${key}`, value);
  expect(judgeGnome(settings).value).toBe(expected);
});

it.each([
  ['', true],
  ['[Daemon]\nAutolock=false\n', false],
  ['[Daemon]\nTimeout=0\n', false],
  ['[Daemon]\nTimeout=30\n', false],
  ['[Daemon]\nTimeout=x\n', 'unknown'],
  ['[Other]\nAutolock=false\n', true],
])('judges KDE with %j', (text, expected) => {
  expect(judgeKde(parseKdeGroup(text, 'Daemon')).value).toBe(expected);
});

it.each([
  ['2026-11-26 08:00:00.123 sysadminctl[512:4711] screenLock delay is immediate\n', true],
  ['2026-11-26 08:00:00.123 sysadminctl[512:4711] screenLock delay is 300 seconds\n', true],
  ['2026-11-26 08:00:00.123 sysadminctl[512:4711] screenLock delay is 14400 seconds\n', false],
  ['2026-11-26 08:00:00.123 sysadminctl[512:4711] screenLock is off\n', false],
  ['', 'unknown'],
])('reads what sysadminctl of macOS says: %j', (output, expected) => {
  expect(readScreenLock(output).value).toBe(expected);
});

it.each([
  ['the screen saver of the user', {}, {}, true],
  ['a screen saver without a password', {}, { screensaverissecure: '0' }, false],
  ['no screen saver', {}, { screensaveactive: '0' }, false],
  ['one that begins late', {}, { screensavetimeout: '3600' }, false],
  ['one that says nothing', {}, { screensavetimeout: '' }, 'unknown'],
  ['a limit of the machine', { inactivitytimeoutsecs: 900 }, { screensaveactive: '0' }, true],
  [
    'a limit of the machine that is too long',
    { inactivitytimeoutsecs: 9000 },
    { screensaveactive: '0' },
    false,
  ],
])('reads in the registry of Windows %s', (_, machine, changes, expected) => {
  const user = new Map(parseRegistry(recorded('reg-desktop.txt')));
  for (const [key, value] of Object.entries(changes)) user.set(key, value);
  expect(readWindowsLock(new Map(Object.entries(machine)), user).value).toBe(expected);
});
