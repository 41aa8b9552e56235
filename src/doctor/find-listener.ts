import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface Listener {
  readonly pid: number;
  /** Its program, for people. */
  readonly name: string;
  readonly isPostern: boolean;
}

const listening = '0A';

/** Who listens at a TCP port, where /proc tells us: root sees all, others what is theirs. */
export function findListener(port: number): Listener | undefined {
  const inodes = new Set(['/proc/net/tcp', '/proc/net/tcp6'].flatMap((table) => inodesAt(table, port)));
  if (inodes.size === 0) return undefined;
  for (const name of read(() => readdirSync('/proc')) ?? []) {
    if (!/^\d+$/.test(name)) continue;
    const descriptors = read(() => readdirSync(`/proc/${name}/fd`)) ?? [];
    const holds = descriptors.some((fd) => {
      const inode = /^socket:\[(\d+)\]$/.exec(read(() => readlinkSync(`/proc/${name}/fd/${fd}`)) ?? '')?.[1];
      return inode !== undefined && inodes.has(inode);
    });
    if (!holds) continue;
    const words = (read(() => readFileSync(`/proc/${name}/cmdline`, 'utf8')) ?? '').split('\0');
    const isPostern = words.some((word) => /\/(control\/main|gateway\/worker|main)\.[jt]s$/.test(word));
    return { pid: Number(name), name: words[0]?.split('/').at(-1) ?? 'a program', isPostern };
  }
  return undefined;
}

/** One line a socket: number, local address as HEX:PORT, remote, state, …, and the inode as the tenth word. */
function inodesAt(table: string, port: number): string[] {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return (read(() => readFileSync(table, 'utf8')) ?? '').split('\n').flatMap((line) => {
    const words = line.trim().split(/\s+/);
    const [, local = '', , state = ''] = words;
    return local.endsWith(wanted) && state === listening && words[9] !== undefined ? [words[9]] : [];
  });
}

/** What ends while one looks is passed over, as is what others may not see. */
function read<Value>(look: () => Value): Value | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
