import { posix } from 'node:path';
import { Type } from 'typebox';
import { Value } from 'typebox/value';
import { mountOf, parseMountInfo } from '../mount-info.ts';
import type { Mount } from '../mount-info.ts';
import { allOf, no, unknown, yes } from '../posture-check.ts';
import type { CheckContext, Finding, PostureCheck } from '../posture-check.ts';
import { askPowerShell, parseRows } from '../powershell.ts';
import type { SystemFiles } from '../system-files.ts';

const maxDepth = 8;

/** Whether all that a block device rests on goes through dm-crypt: LVM over LUKS is fine, half a RAID is not. */
async function isEncrypted(files: SystemFiles, device: string, depth = 0): Promise<boolean> {
  if (depth > maxDepth) throw new Error('block devices nested too deep');
  const uuid = await files.read(posix.join(device, 'dm/uuid'));
  if (uuid?.toString('latin1').startsWith('CRYPT-') === true) return true;
  // A partition has no slaves of its own: those of its disk count, which is how a RAID or a mapped disk is partitioned.
  const isPartition = (await files.read(posix.join(device, 'partition'))) !== undefined;
  const owner = isPartition ? posix.dirname(device) : device;
  const ownUuid = isPartition ? await files.read(posix.join(owner, 'dm/uuid')) : undefined;
  if (ownUuid?.toString('latin1').startsWith('CRYPT-') === true) return true;
  const below = (await files.list(posix.join(owner, 'slaves'))) ?? [];
  if (below.length === 0) return false;
  for (const name of below) {
    const slave = await files.resolve(posix.join(owner, 'slaves', name));
    if (slave === undefined || !(await isEncrypted(files, slave, depth + 1))) return false;
  }
  return true;
}

/** The block devices of a mount in /sys; none for a file system that names none. */
async function blockDevices(files: SystemFiles, mount: Mount): Promise<readonly string[]> {
  if (!mount.device.startsWith('0:')) {
    const device = await files.resolve(`/sys/dev/block/${mount.device}`);
    return device === undefined ? [] : [device];
  }
  // btrfs has an anonymous device number and names one device as source; /dev/mapper holds links to /dev/dm-N.
  if (mount.type !== 'btrfs' || !mount.source.startsWith('/dev/')) return [];
  const node = await files.resolve(mount.source);
  if (node === undefined) return [];
  const named = posix.basename(node);
  // It may lie on several, of which the kernel lists all.
  for (const id of (await files.list('/sys/fs/btrfs')) ?? []) {
    const members = (await files.list(`/sys/fs/btrfs/${id}/devices`)) ?? [];
    if (members.includes(named)) return found(members.map((name) => `/sys/fs/btrfs/${id}/devices/${name}`));
  }
  return found([`/sys/class/block/${named}`]);

  async function found(links: readonly string[]): Promise<readonly string[]> {
    const devices = await Promise.all(links.map((link) => files.resolve(link)));
    return devices.includes(undefined) ? [] : devices.filter((device) => device !== undefined);
  }
}

async function checkLinux({ files, homeDirectory }: CheckContext): Promise<Finding> {
  const text = await files.read('/proc/self/mountinfo');
  if (text === undefined) return unknown('/proc/self/mountinfo is not there');
  const mounts = parseMountInfo(text.toString('utf8'));
  // Where the agent is a service its own home is nobody's, and those of people are hidden from it: the helper looks.
  const homes = (await files.resolve('/home')) ?? homeDirectory;
  const findings = [...new Set(['/', homes, homeDirectory])].map(async (path): Promise<Finding> => {
    const mount = mountOf(mounts, path);
    if (mount === undefined) return unknown(`no mount holds ${path}`);
    const devices = await blockDevices(files, mount);
    if (devices.length === 0) return unknown(`${path} is on ${mount.type}, which names no block device`);
    for (const device of devices)
      if (!(await isEncrypted(files, device))) return no(`${path} is not on dm-crypt`);
    return yes('');
  });
  return allOf(await Promise.all(findings), 'system and home are on dm-crypt');
}

/** What `fdesetup status` says. */
export function readFileVault(output: string): Finding {
  if (/^Decryption in progress/m.test(output)) return no('FileVault is being switched off');
  if (/^Encryption in progress/m.test(output)) return no('FileVault has not encrypted everything yet');
  if (/^FileVault is On, but/m.test(output)) return no('FileVault is on after the next restart');
  if (/^FileVault is On\.$/m.test(output)) return yes('FileVault is on');
  if (/^FileVault is Off/m.test(output)) return no('FileVault is off');
  return unknown('fdesetup says something else');
}

const Volume = Type.Object({
  VolumeStatus: Type.Integer(),
  ProtectionStatus: Type.Integer(),
  EncryptionPercentage: Type.Number(),
});
const fullyEncrypted = 1;
const protectionOn = 1;

/** What `Get-BitLockerVolume` says of the system's drive; its words are numbers in JSON. */
export function readBitLocker(output: string): Finding {
  const [volume] = parseRows(output);
  if (!Value.Check(Volume, volume)) return unknown('BitLocker says nothing of the system drive');
  if (volume.ProtectionStatus !== protectionOn) return no('BitLocker does not protect the system drive');
  if (volume.VolumeStatus !== fullyEncrypted)
    return no(`BitLocker has encrypted ${volume.EncryptionPercentage} % of the system drive`);
  return yes('BitLocker protects the system drive');
}

/**
 * A drive that encrypts in hardware cannot be told from one that does not, and counts as not encrypted. Swap does not
 * count: what is in it is for those who have the machine while it runs.
 */
export const diskEncrypted: PostureCheck = {
  criterion: 'diskEncrypted',
  platforms: {
    linux: {
      how: 'follows the mounts of `/` and of the homes through `/sys` down to dm-crypt (LUKS), through LVM, RAID and btrfs; by the helper that runs as root, where the agent is a service that sees no homes',
      check: checkLinux,
      glance: async ({ files }) => (await files.read('/proc/self/mountinfo'))?.toString('latin1') ?? '',
      keepSeconds: 300,
      needsRoot: true,
    },
    darwin: {
      how: '`fdesetup status`',
      check: async ({ run }) => readFileVault(await run('/usr/bin/fdesetup', ['status'])),
      keepSeconds: 300,
    },
    win32: {
      how: '`Get-BitLockerVolume` of the system drive, as an administrator',
      check: async (context) =>
        readBitLocker(
          await askPowerShell(
            context,
            'Get-BitLockerVolume -MountPoint $env:SystemDrive | Select-Object VolumeStatus,ProtectionStatus,EncryptionPercentage | ConvertTo-Json -Compress',
          ),
        ),
      keepSeconds: 300,
    },
  },
};
