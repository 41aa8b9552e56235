import { describe, expect, it } from 'vitest';
import { diskEncrypted, readBitLocker, readFileVault } from '../../../agent/posture/checks/disk-encrypted.ts';
import { useSystem } from './lab.ts';

const system = useSystem();

const mount = (device: string, at: string, type = 'ext4', source = '/dev/x'): string =>
  `29 1 ${device} / ${at} rw,relatime shared:1 - ${type} ${source} rw\n`;

/** A disk with LUKS on a partition, a volume on that, a volume half on it, a RAID of two, and btrfs over two devices. */
const disks = {
  '/sys/devices/sda/sda1/partition': '1',
  '/sys/devices/sda/sda2/partition': '2',
  '/sys/devices/virtual/dm-0/dm/uuid': 'CRYPT-LUKS2-abc-root\n',
  '/sys/devices/virtual/dm-0/slaves/sda1': '->/sys/devices/sda/sda1',
  '/sys/devices/virtual/dm-1/dm/uuid': 'LVM-xyz\n',
  '/sys/devices/virtual/dm-1/slaves/dm-0': '->/sys/devices/virtual/dm-0',
  '/sys/devices/virtual/dm-2/dm/uuid': 'LVM-half\n',
  '/sys/devices/virtual/dm-2/slaves/dm-0': '->/sys/devices/virtual/dm-0',
  '/sys/devices/virtual/dm-2/slaves/sda2': '->/sys/devices/sda/sda2',
  '/sys/devices/virtual/dm-3/dm/uuid': 'CRYPT-LUKS1-def-second\n',
  '/sys/devices/virtual/md0/slaves/dm-0': '->/sys/devices/virtual/dm-0',
  '/sys/devices/virtual/md0/slaves/dm-3': '->/sys/devices/virtual/dm-3',
  '/sys/devices/virtual/md0/md0p1/partition': '1',
  '/sys/dev/block/8:1': '->/sys/devices/sda/sda1',
  '/sys/dev/block/8:2': '->/sys/devices/sda/sda2',
  '/sys/dev/block/254:0': '->/sys/devices/virtual/dm-0',
  '/sys/dev/block/254:1': '->/sys/devices/virtual/dm-1',
  '/sys/dev/block/254:2': '->/sys/devices/virtual/dm-2',
  '/sys/dev/block/259:1': '->/sys/devices/virtual/md0/md0p1',
  '/sys/class/block/dm-0': '->/sys/devices/virtual/dm-0',
  '/sys/fs/btrfs/good/devices/dm-3': '->/sys/devices/virtual/dm-3',
  '/sys/fs/btrfs/good/devices/dm-1': '->/sys/devices/virtual/dm-1',
  '/sys/fs/btrfs/bad/devices/dm-2': '->/sys/devices/virtual/dm-2',
  '/sys/fs/btrfs/bad/devices/sda2': '->/sys/devices/sda/sda2',
  '/dev/dm-0': '',
  '/dev/dm-2': '',
  '/dev/dm-3': '',
  '/dev/mapper/root': '->/dev/dm-0',
  '/dev/mapper/good': '->/dev/dm-3',
  '/dev/mapper/bad': '->/dev/dm-2',
} as const;

describe('on Linux', () => {
  it.each([
    ['on LUKS', mount('254:0', '/'), true],
    ['on a volume on LUKS', mount('254:1', '/'), true],
    ['on a bare partition', mount('8:2', '/'), false],
    ['half on LUKS', mount('254:2', '/'), false],
    ['on a partition of a RAID of LUKS', mount('259:1', '/'), true],
    ['on LUKS with a home that is not', mount('254:0', '/') + mount('8:2', '/home'), false],
    ['on LUKS with another disk elsewhere', mount('254:0', '/') + mount('8:2', '/srv'), true],
    ['hidden by a later mount that is not', mount('254:0', '/') + mount('8:2', '/'), false],
    ['with a home named alike that is not', mount('254:0', '/') + mount('8:2', '/home/al'), true],
    ['btrfs on LUKS', mount('0:22', '/', 'btrfs', '/dev/mapper/root'), true],
    ['btrfs on two LUKS', mount('0:22', '/', 'btrfs', '/dev/mapper/good'), true],
    ['btrfs with a second device that is not', mount('0:22', '/', 'btrfs', '/dev/mapper/bad'), false],
    [
      'in the clear with a home that names no device',
      mount('8:2', '/') + mount('0:9', '/home', 'nfs'),
      false,
    ],
    ['a container', mount('0:22', '/', 'overlay', 'overlay'), 'unknown'],
    ['nowhere', '', 'unknown'],
  ])('is told of a system %s', async (_, mountinfo, expected) => {
    system.lay({ ...disks, '/proc/self/mountinfo': mountinfo });
    expect((await system.find(diskEncrypted)).value).toBe(expected);
  });

  it('is unknown without /proc', async () => {
    expect((await system.find(diskEncrypted)).value).toBe('unknown');
  });
});

describe('what FileVault says', () => {
  it.each([
    ['FileVault is On.\n', true],
    ['FileVault is Off.\n', false],
    ['FileVault is Off, but will be enabled after the next restart.\n', false],
    ['FileVault is On, but needs to be restarted to finish.\n', false],
    ['FileVault is On.\nEncryption in progress: Percent completed = 41.2\n', false],
    ['FileVault is Off.\nDecryption in progress: Percent completed = 41.2\n', false],
    ['', 'unknown'],
  ])('%j', (output, expected) => {
    expect(readFileVault(output).value).toBe(expected);
  });
});

describe('what BitLocker says', () => {
  it.each([
    ['{"VolumeStatus":1,"ProtectionStatus":1,"EncryptionPercentage":100}', true],
    ['{"VolumeStatus":1,"ProtectionStatus":0,"EncryptionPercentage":100}', false],
    ['{"VolumeStatus":2,"ProtectionStatus":1,"EncryptionPercentage":41}', false],
    ['', 'unknown'],
    ['{}', 'unknown'],
  ])('%j', (output, expected) => {
    expect(readBitLocker(`${output}\r\n`).value).toBe(expected);
  });
});
