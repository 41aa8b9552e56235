import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { RunAs } from './commands.ts';

/**
 * The first directory above a path that a user cannot enter, by its mode alone. Workers have the one group of `runAs` and
 * none of those that their user belongs to besides.
 */
export function barringAncestor(path: string, runAs: RunAs): string | undefined {
  const ancestors: string[] = [];
  for (let each = dirname(resolve(path)); ; each = dirname(each)) {
    ancestors.unshift(each);
    if (each === dirname(each)) break;
  }
  return ancestors.find((ancestor) => !may(ancestor, runAs, 0o1));
}

/** Whether a user may open a socket that lies in the file system, which takes the right to write to it (unix(7)). */
export const mayOpenSocket = (path: string, runAs: RunAs): boolean =>
  barringAncestor(path, runAs) === undefined && may(path, runAs, 0o2);

function may(path: string, { uid, gid }: RunAs, right: number): boolean {
  const found = statSync(path);
  const bit = found.uid === uid ? right << 6 : found.gid === gid ? right << 3 : right;
  return (found.mode & bit) !== 0;
}
