/** One line of proc_pid_mountinfo(5). */
export interface Mount {
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
export function mountOf(mounts: readonly Mount[], path: string): Mount | undefined {
  let best: Mount | undefined;
  for (const mount of mounts) {
    const prefix = mount.mountPoint === '/' ? '/' : `${mount.mountPoint}/`;
    if (!`${path}/`.startsWith(prefix)) continue;
    if (best === undefined || mount.mountPoint.length >= best.mountPoint.length) best = mount;
  }
  return best;
}
