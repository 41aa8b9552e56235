import { lchownSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { RunAs } from './commands.ts';
import { barringAncestor } from './may-reach.ts';

/** Something about this machine that a person has to mend before a server can start. */
export class UnusableMachine extends Error {
  override readonly name = 'UnusableMachine';
}

/**
 * Makes the one directory that workers write to, and theirs. What lies in it changes hands only the first time, while
 * nobody but us could have put it there: later, a link that a worker left would hand it a file of ours.
 * @throws UnusableMachine when the workers' user could not get there.
 */
export function prepareFlowDirectory(directory: string, runAs: RunAs | undefined): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (runAs === undefined) return;
  const { uid, gid } = runAs;
  const barred = barringAncestor(directory, runAs);
  if (barred !== undefined) {
    throw new UnusableMachine(
      `${barred} cannot be entered by user ${uid} (runAs), whose flow records go to ${directory}: chmod o+x ${barred}`,
    );
  }
  if (statSync(directory).uid === uid) return;
  for (const name of readdirSync(directory)) lchownSync(join(directory, name), uid, gid);
  lchownSync(directory, uid, gid);
}
