import { describe, expect, it } from 'vitest';
import {
  countAppleUpdates,
  judgeUpdates,
  osUpToDate,
  readWindowsUpdates,
} from '../../../agent/posture/checks/os-up-to-date.ts';
import { identifySystem, parseOsRelease } from '../../../agent/posture/os-release.ts';
import { countAptUpdates, countDnfUpdates } from '../../../agent/posture/security-updates.ts';
import { createSystemFiles } from '../../../agent/posture/system-files.ts';
import { answering, recorded, useSystem } from './lab.ts';

const system = useSystem();
const now = new Date('2026-11-26T08:00:00Z');
const inRelease = (date: string) => ({
  '/var/lib/apt/lists/deb.debian.org_debian-security_dists_trixie-security_InRelease': `Suite: stable-security\nDate: ${date}\n`,
});
const fresh = inRelease('Wed, 25 Nov 2026 02:22:30 UTC');
const debian = { '/etc/os-release': 'ID=debian\n' };

describe('on Linux', () => {
  it.each([
    ['whose support has ended', { '/etc/os-release': 'ID=fedora\nSUPPORT_END=2025-05-13\n' }, '', false],
    ['that waits for a restart', { ...debian, ...fresh, '/run/reboot-required': '' }, '', false],
    ['with nothing missing', { ...debian, ...fresh }, '', true],
    ['with updates missing', { ...debian, ...fresh }, recorded('apt-dist-upgrade.txt'), false],
    ['with old lists', { ...debian, ...inRelease('Wed, 11 Nov 2026 02:22:30 UTC') }, '', 'unknown'],
    ['with no lists', debian, '', 'unknown'],
    [
      'that derives from Debian',
      { '/etc/os-release': 'ID=linuxmint\nID_LIKE="ubuntu debian"\n', ...fresh },
      '',
      true,
    ],
    ['of no packages that are known', { '/etc/os-release': 'ID=arch\n' }, '', 'unknown'],
  ])('of a system %s', async (_, files, apt, expected) => {
    system.lay(files);
    const run = answering({ '/usr/bin/apt-get': apt });
    expect((await system.find(osUpToDate, { run })).value).toBe(expected);
  });

  it('asks dnf for its cache alone', async () => {
    system.lay({ '/etc/os-release': 'ID=fedora\n' });
    const run = answering({
      '/usr/bin/dnf --quiet --cacheonly updateinfo list --updates --security':
        recorded('dnf5-updateinfo.txt'),
    });
    expect(await system.find(osUpToDate, { run })).toMatchObject({
      value: false,
      reason: '2 security updates are missing',
    });
  });
});

it('counts what comes from a security archive, and nothing else', () => {
  expect(countAptUpdates(recorded('apt-dist-upgrade.txt'))).toBe(4);
  expect(
    countAptUpdates('Inst a [1] (2 Ubuntu:24.04/noble-updates, Ubuntu:24.04/noble-security [amd64])\n'),
  ).toBe(1);
  expect(countAptUpdates('Inst security-tool [1] (2 Ubuntu:24.04/noble-updates [amd64])\n')).toBe(0);
  expect(countDnfUpdates(recorded('dnf4-updateinfo.txt'))).toBe(2);
  expect(countDnfUpdates(recorded('dnf5-updateinfo.txt'))).toBe(2);
  expect(countDnfUpdates('')).toBe(0);
  expect(countAppleUpdates(recorded('softwareupdate-two.txt'))).toBe(1);
  expect(countAppleUpdates(recorded('softwareupdate-none.txt'))).toBe(0);
  expect(countAppleUpdates('Software Update Tool\n')).toBeUndefined();
});

it('believes that something is missing at any age, and that nothing is only while that is fresh', () => {
  const old = now.getTime() - 30 * 86_400_000;
  expect(judgeUpdates({ security: 3, knownAt: old }, now).value).toBe(false);
  expect(judgeUpdates({ security: 0, knownAt: old }, now).value).toBe('unknown');
  expect(judgeUpdates({ security: 0, knownAt: undefined }, now).value).toBe('unknown');
  expect(judgeUpdates({ security: 0, knownAt: now.getTime() - 86_400_000 }, now).value).toBe(true);
});

it.each([
  ['yesterday', true],
  ['a month ago', 'unknown'],
])('judges macOS by its search of %s', async (when, expected) => {
  const date = when === 'yesterday' ? '2026-11-25 06:00:00 +0000\n' : '2026-10-25 06:00:00 +0000\n';
  const run = answering({
    '/usr/sbin/softwareupdate --list --no-scan': recorded('softwareupdate-none.txt'),
    '/usr/bin/defaults read /Library/Preferences/com.apple.SoftwareUpdate LastSuccessfulDate': date,
  });
  expect((await system.find(osUpToDate, { platform: 'darwin', run })).value).toBe(expected);
});

it.each([
  ['nothing missing', { pending: 0, searchedAt: now.getTime() / 1000 - 3600, restart: false }, true],
  ['two missing', { pending: 2, searchedAt: now.getTime() / 1000 - 3600, restart: false }, false],
  ['a restart due', { pending: 0, searchedAt: now.getTime() / 1000 - 3600, restart: true }, false],
  ['no search ever', { pending: 0, searchedAt: null, restart: false }, 'unknown'],
  ['something else', { pending: '0' }, 'unknown'],
])('judges Windows with %s', (_, answer, expected) => {
  expect(readWindowsUpdates(JSON.stringify(answer), now).value).toBe(expected);
});

it('names the system by os-release, quotes and all, and cuts it to what a report may hold', async () => {
  system.lay({ '/etc/os-release': `ID="debian"\nVERSION_ID='13'\nNAME="x\\"y"\n#ID=no\n` });
  const files = createSystemFiles(system.root);
  expect(await identifySystem(files, 'linux', '6.12.9')).toEqual({
    os: 'debian',
    osVersion: '13',
    kernelVersion: '6.12.9',
  });
  expect(parseOsRelease('NAME="x\\"y"').get('NAME')).toBe('x"y');
  system.lay({ '/etc/os-release': `ID=${'x'.repeat(99)}` });
  expect((await identifySystem(files, 'linux')).os).toHaveLength(32);
});

it('names macOS by its property list and Windows by its kernel', async () => {
  const files = createSystemFiles(system.root);
  system.lay({ '/System/Library/CoreServices/SystemVersion.plist': recorded('SystemVersion.plist') });
  expect(await identifySystem(files, 'darwin', '24.1.0')).toEqual({
    os: 'macos',
    osVersion: '15.1',
    kernelVersion: '24.1.0',
  });
  expect(await identifySystem(files, 'win32', '10.0.26100')).toMatchObject({
    os: 'windows',
    osVersion: '10.0.26100',
  });
});
