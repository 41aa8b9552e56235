import { lstatSync } from 'node:fs';
import process from 'node:process';

/**
 * Makes root act as whoever a state directory belongs to, which is the agent's own user where it runs as a service: what
 * lies there was written by that user, and a link or a pipe among it must not lead root anywhere (CVE-2020-24356). Whoever
 * is not root stays who they are, and is refused what is not theirs. Returns how to be root again.
 */
export function actAsOwner(directory: string): () => void {
  if (process.platform === 'win32' || process.geteuid?.() !== 0) return () => {};
  const owner = lstatSync(directory, { throwIfNoEntry: false });
  if (owner?.isDirectory() !== true || owner.uid === 0) return () => {};
  const [group, groups] = [process.getegid?.() ?? 0, process.getgroups?.() ?? []];
  process.setgroups?.([]);
  process.setegid?.(owner.gid);
  process.seteuid?.(owner.uid);
  return () => {
    process.seteuid?.(0);
    process.setegid?.(group);
    process.setgroups?.(groups);
  };
}
