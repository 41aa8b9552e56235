import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Value } from 'typebox/value';
import { AgentError } from '../../agent/agent-error.ts';
import { systemClock } from '../../agent/clock.ts';
import { postureChecks } from '../../agent/posture/checks.ts';
import { diskEncrypted } from '../../agent/posture/disk-encrypted.ts';
import { firewallEnabled } from '../../agent/posture/firewall-enabled.ts';
import { laptopPosture, runCheck } from '../../agent/posture/measure.ts';
import { identifySystem } from '../../agent/posture/os-release.ts';
import { osUpToDate } from '../../agent/posture/os-up-to-date.ts';
import type { CheckContext, PostureCheck } from '../../agent/posture/posture-check.ts';
import { secureBoot } from '../../agent/posture/secure-boot.ts';
import { createSystemFiles } from '../../agent/posture/system-files.ts';
import { statedPosture, unsafeVersion } from '../../agent/posture/unsafe-posture.ts';
import { PostureReport } from '../../src/contract/posture.ts';
import { createFakeClock } from './lab/fake-clock.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'postern-posture-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Lays out files as the kernel would show them; a value that begins with `->` is a link. */
function lay(files: Readonly<Record<string, string | Buffer>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    if (typeof content === 'string' && content.startsWith('->'))
      symlinkSync(join(root, content.slice(2)), join(root, path));
    else writeFileSync(join(root, path), content);
  }
}

const context = (more: Partial<CheckContext> = {}): CheckContext => ({
  files: createSystemFiles(root),
  platform: 'linux',
  homeDirectory: '/home/alice',
  privileged: false,
  now: new Date('2026-01-01'),
  run: () => Promise.reject(new Error('nothing may be run')),
  ...more,
});

const values = async (check: PostureCheck, more?: Partial<CheckContext>): Promise<boolean | 'unknown'> =>
  (await check.check(context(more))).value;

const mount = (device: string, at: string, type = 'ext4', source = '/dev/x'): string =>
  `29 1 ${device} / ${at} rw,relatime shared:1 - ${type} ${source} rw\n`;

/** A disk with one partition, LUKS on it, and a logical volume on that. */
const disks = {
  '/sys/devices/sda/sda1/dev': '8:1',
  '/sys/devices/sda/sda2/dev': '8:2',
  '/sys/devices/virtual/dm-0/dm/uuid': 'CRYPT-LUKS2-abc-root\n',
  '/sys/devices/virtual/dm-0/slaves/sda1': '->/sys/devices/sda/sda1',
  '/sys/devices/virtual/dm-1/dm/uuid': 'LVM-xyz\n',
  '/sys/devices/virtual/dm-1/slaves/dm-0': '->/sys/devices/virtual/dm-0',
  '/sys/devices/virtual/dm-2/dm/uuid': 'LVM-half\n',
  '/sys/devices/virtual/dm-2/slaves/dm-0': '->/sys/devices/virtual/dm-0',
  '/sys/devices/virtual/dm-2/slaves/sda2': '->/sys/devices/sda/sda2',
  '/sys/dev/block/8:1': '->/sys/devices/sda/sda1',
  '/sys/dev/block/8:2': '->/sys/devices/sda/sda2',
  '/sys/dev/block/254:0': '->/sys/devices/virtual/dm-0',
  '/sys/dev/block/254:1': '->/sys/devices/virtual/dm-1',
  '/sys/dev/block/254:2': '->/sys/devices/virtual/dm-2',
  '/sys/class/block/dm-0': '->/sys/devices/virtual/dm-0',
  '/dev/dm-0': '',
  '/dev/mapper/root': '->/dev/dm-0',
} as const;

describe('diskEncrypted', () => {
  it.each([
    ['on LUKS', mount('254:0', '/'), true],
    ['on a volume on LUKS', mount('254:1', '/'), true],
    ['on a bare partition', mount('8:2', '/'), false],
    ['half on LUKS', mount('254:2', '/'), false],
    ['on LUKS with a home that is not', mount('254:0', '/') + mount('8:2', '/home'), false],
    ['on LUKS with another disk elsewhere', mount('254:0', '/') + mount('8:2', '/srv'), true],
    ['hidden by a later mount that is not', mount('254:0', '/') + mount('8:2', '/'), false],
    ['with a home named alike that is not', mount('254:0', '/') + mount('8:2', '/home/al'), true],
    ['btrfs on LUKS', mount('0:22', '/', 'btrfs', '/dev/mapper/root'), true],
    ['a container', mount('0:22', '/', 'overlay', 'overlay'), 'unknown'],
    ['nowhere', '', 'unknown'],
  ])('of a system %s', async (_, mountinfo, expected) => {
    lay({ ...disks, '/proc/self/mountinfo': mountinfo });
    expect(await values(diskEncrypted)).toBe(expected);
  });

  it('is not told on other systems, nor without /proc', async () => {
    expect(await values(diskEncrypted)).toBe('unknown');
    lay({ ...disks, '/proc/self/mountinfo': mount('254:0', '/') });
    expect(await values(diskEncrypted, { platform: 'darwin' })).toBe('unknown');
  });
});

describe('secureBoot', () => {
  const name = (variable: string): string =>
    `/sys/firmware/efi/efivars/${variable}-8be4df61-93ca-11d2-aa0d-00e098032b8c`;
  const flag = (value: number): Buffer => Buffer.from([6, 0, 0, 0, value]);

  it.each([
    ['enforced', { SecureBoot: flag(1), SetupMode: flag(0) }, true],
    ['switched off', { SecureBoot: flag(0), SetupMode: flag(0) }, false],
    ['in setup mode', { SecureBoot: flag(1), SetupMode: flag(1) }, false],
    ['of an odd length', { SecureBoot: Buffer.from([1]) }, 'unknown'],
  ])('%s by the firmware', async (_, variables, expected) => {
    for (const [variable, content] of Object.entries(variables)) lay({ [name(variable)]: content });
    expect(await values(secureBoot)).toBe(expected);
  });

  it('is false without UEFI and unknown where a container hides the firmware', async () => {
    expect(await values(secureBoot)).toBe('unknown');
    lay({ '/sys/firmware/acpi/pm_profile': '2' });
    expect(await values(secureBoot)).toBe(false);
  });
});

describe('firewallEnabled', () => {
  const chain = (policy: string) => ({
    chain: { family: 'inet', table: 'f', name: 'in', hook: 'input', policy },
  });
  const rule = (...expr: object[]) => ({ rule: { family: 'inet', table: 'f', chain: 'in', expr } });
  const match = { match: { op: '==', left: 'x', right: 'y' } };

  it.each([
    ['a chain that drops', [chain('drop')], true],
    [
      'a last rule that rejects',
      [chain('accept'), rule(match, { accept: null }), rule({ counter: {} }, { reject: {} })],
      true,
    ],
    ['a last rule that rejects some', [chain('accept'), rule(match, { reject: {} })], false],
    ['a chain that accepts', [chain('accept')], false],
    ['no rules', [], false],
  ])('with %s', async (_, nftables, expected) => {
    const run = (path: string, args: readonly string[]): Promise<string> => {
      expect([path, ...args]).toEqual(['/usr/sbin/nft', '-j', 'list', 'ruleset']);
      return Promise.resolve(JSON.stringify({ nftables: [{ metainfo: {} }, ...nftables] }));
    };
    expect(await values(firewallEnabled, { privileged: true, run })).toBe(expected);
  });

  it('is unknown to an ordinary user, who may not look', async () => {
    expect(await values(firewallEnabled)).toBe('unknown');
  });
});

describe('osUpToDate', () => {
  it.each([
    ['whose support has ended', { '/etc/os-release': 'ID=fedora\nSUPPORT_END=2025-05-13\n' }, false],
    ['whose support goes on', { '/etc/os-release': 'ID=fedora\nSUPPORT_END="2027-05-13"\n' }, 'unknown'],
    ['that waits for a restart', { '/etc/os-release': 'ID=debian\n', '/run/reboot-required': '' }, false],
    ['that says nothing', {}, 'unknown'],
  ])('of a system %s', async (_, files, expected) => {
    lay(files);
    expect(await values(osUpToDate)).toBe(expected);
  });
});

it('names the system by os-release, quotes and all, and cuts it to what a report may hold', async () => {
  lay({ '/etc/os-release': `ID="debian"\nVERSION_ID='13'\nNAME="x\\"y"\n#ID=no\n` });
  expect(await identifySystem(createSystemFiles(root), 'linux')).toEqual({ os: 'debian', osVersion: '13' });
  lay({ '/etc/os-release': `ID=${'x'.repeat(99)}` });
  expect((await identifySystem(createSystemFiles(root), 'linux')).os).toHaveLength(32);
});

it('says unknown, and why, of a check that throws or does not end', async () => {
  const check = (action: () => Promise<never>): PostureCheck => ({ criterion: 'secureBoot', check: action });
  expect(
    await runCheck(
      check(() => Promise.reject(new Error('broken'))),
      context(),
      50,
    ),
  ).toEqual({
    value: 'unknown',
    reason: 'broken',
  });
  expect(
    await runCheck(
      check(() => new Promise(() => {})),
      context(),
      50,
    ),
  ).toEqual({
    value: 'unknown',
    reason: 'the check took too long',
  });
});

it('measures this machine with every check, in a report that the control plane takes', async () => {
  const measured = await laptopPosture(systemClock).measure();
  expect(Value.Check(PostureReport, measured.report())).toBe(true);
  expect(Object.keys(measured.findings).sort()).toEqual(
    postureChecks.map(({ criterion }) => criterion).sort(),
  );
});

describe('stated posture', () => {
  const state = (content: string): string => {
    lay({ '/posture.json': content });
    return join(root, 'posture.json');
  };

  it('is what the file says, the rest unknown, marked as not measured, and grows old', async () => {
    const clock = createFakeClock();
    const measured = await statedPosture(
      state('{"diskEncrypted": true, "secureBoot": false}'),
      clock,
    ).measure();
    clock.advance(90_000);
    expect(measured.report()).toMatchObject({
      ageSeconds: 90,
      agentVersion: unsafeVersion,
      checks: {
        diskEncrypted: true,
        secureBoot: false,
        firewallEnabled: 'unknown',
        protectionRunning: 'unknown',
      },
    });
    expect(unsafeVersion).toContain('unsafe');
  });

  it.each(['{"diskEncrypted": "true"}', '{"diskEncryptd": true}', '[]', 'x'])(
    'is refused as %s',
    async (content) => {
      await expect(statedPosture(state(content), systemClock).measure()).rejects.toThrow(AgentError);
    },
  );

  it('is refused when the file cannot be read', async () => {
    await expect(statedPosture(join(root, 'nothing'), systemClock).measure()).rejects.toThrow(
      /posture-file-invalid/,
    );
  });
});
