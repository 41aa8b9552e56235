import { posix } from 'node:path';
import { unknown } from './posture-check.ts';
import type { Finding, PostureCheck } from './posture-check.ts';
import type { SystemFiles } from './system-files.ts';

/** One line of proc_pid_mountinfo(5). */
interface Mount {
  /** `major:minor` of the device; major 0 is a file system without one, such as btrfs, ZFS or overlay. */
  readonly device: string;
  readonly mountPoint: string;
  readonly type: string;
  readonly source: string;
}

/** Spaces and backslashes in a mount point stand as \040 and \134. */
const unescape = (text: string): string =>
  text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

export function parseMountInfo(text: string): Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split('\n')) {
    const [before = '', after] = line.split(' - ', 2);
    const [, , device, , mountPoint] = before.split(' ');
    const [type, source] = after?.split(' ') ?? [];
    if (device === undefined || mountPoint === undefined || type === undefined || source === undefined)
      continue;
    mounts.push({ device, mountPoint: unescape(mountPoint), type, source: unescape(source) });
  }
  return mounts;
}

/** The mount that holds a path. Of several at one point the last one hides the others. */
function mountOf(mounts: readonly Mount[], path: string): Mount | undefined {
  let best: Mount | undefined;
  for (const mount of mounts) {
    const prefix = mount.mountPoint === '/' ? '/' : `${mount.mountPoint}/`;
    if (!`${path}/`.startsWith(prefix)) continue;
    if (best === undefined || mount.mountPoint.length >= best.mountPoint.length) best = mount;
  }
  return best;
}

const maxDepth = 8;

/** Whether all that a block device rests on goes through dm-crypt: LVM over LUKS is fine, half a RAID is not. */
async function isEncrypted(files: SystemFiles, device: string, depth = 0): Promise<boolean> {
  if (depth > maxDepth) throw new Error('block devices nested too deep');
  const uuid = await files.read(posix.join(device, 'dm/uuid'));
  if (uuid?.toString('latin1').startsWith('CRYPT-') === true) return true;
  const below = (await files.list(posix.join(device, 'slaves'))) ?? [];
  if (below.length === 0) return false;
  for (const name of below) {
    const slave = await files.resolve(posix.join(device, 'slaves', name));
    if (slave === undefined || !(await isEncrypted(files, slave, depth + 1))) return false;
  }
  return true;
}

/** The directory of a mount's block device in /sys; undefined for one that is on no block device of its own. */
async function blockDevice(files: SystemFiles, mount: Mount): Promise<string | undefined> {
  if (!mount.device.startsWith('0:')) return files.resolve(`/sys/dev/block/${mount.device}`);
  // btrfs has an anonymous device number and names its device as source; /dev/mapper holds links to /dev/dm-N.
  if (mount.type !== 'btrfs' || !mount.source.startsWith('/dev/')) return undefined;
  const node = await files.resolve(mount.source);
  return node === undefined ? undefined : files.resolve(`/sys/class/block/${posix.basename(node)}`);
}

/**
 * Whether the system and the user's home lie on dm-crypt. The kernel says so by itself, without privilege. A drive that
 * encrypts in hardware cannot be told from one that does not, and counts as not encrypted.
 */
export const diskEncrypted: PostureCheck = {
  criterion: 'diskEncrypted',
  async check({ files, platform, homeDirectory }): Promise<Finding> {
    if (platform !== 'linux') return unknown(`no check for ${platform} yet`);
    const text = await files.read('/proc/self/mountinfo');
    if (text === undefined) return unknown('/proc/self/mountinfo is not there');
    const mounts = parseMountInfo(text.toString('utf8'));
    for (const path of ['/', homeDirectory]) {
      const mount = mountOf(mounts, path);
      if (mount === undefined) return unknown(`no mount holds ${path}`);
      const device = await blockDevice(files, mount);
      if (device === undefined) return unknown(`${path} is on ${mount.type}, which names no block device`);
      // A partition has no slaves of its own, nor has a whole disk: neither is dm-crypt.
      if (!(await isEncrypted(files, device))) return { value: false, reason: `${path} is not on dm-crypt` };
    }
    return { value: true, reason: 'system and home are on dm-crypt' };
  },
};
