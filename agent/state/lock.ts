import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { Type } from 'typebox';
import type { Static } from 'typebox';
import { Value } from 'typebox/value';
import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path';
import { stateUnwritable } from './atomic-file.ts';
import { readOwnedFile } from './owned-file.ts';

/** `agent.lock`: the process that carries flows for this state directory, and where its local port is. */
export const LockHolder = Type.Object(
  {
    pid: Type.Integer({ minimum: 1 }),
    /** When the process started, in the kernel's own count: a pid is used again, this pair is not. */
    started: Type.String(),
    /** Of the local proxy; 0 while it is not listening yet. */
    port: Type.Integer({ minimum: 0, maximum: 65_535 }),
  },
  { additionalProperties: false },
);
export type LockHolder = Static<typeof LockHolder>;

export interface Lock {
  /** Whether whoever had it before ended without giving it back: by a crash, kill -9, or the power. */
  readonly wasLeft: boolean;
  /** Says where the local proxy listens. */
  publishPort(port: number): void;
  release(): void;
}

/** Field 22 of proc_pid_stat(5), after the command name, which may itself hold spaces and parentheses. */
function processStart(pid: number): string | undefined {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return line.slice(line.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

function isAlive(holder: LockHolder): boolean {
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    // EPERM: somebody's process, so the pid went to another since.
    return (error as NodeJS.ErrnoException).code === 'EPERM' && holder.started === '';
  }
  // Where there is no /proc the pid alone must do.
  return holder.started === '' || processStart(holder.pid) === holder.started;
}

function parseHolder(text: string | undefined): LockHolder | undefined {
  try {
    const value: unknown = JSON.parse(text ?? 'null');
    return Value.Check(LockHolder, value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The live process that holds the lock, or undefined. */
export function findLockHolder(path: string): LockHolder | undefined {
  const holder = parseHolder(readOwnedFile(path, 'secret'));
  return holder !== undefined && isAlive(holder) ? holder : undefined;
}

/** Tells the agent that holds the lock, if one does, that who is signed in has changed. */
export function tellAgent(path: string): void {
  const holder = findLockHolder(path);
  // Until it listens it does not listen to signals either, and will look by itself.
  if (holder !== undefined && holder.port !== 0) process.kill(holder.pid, 'SIGHUP');
}

/**
 * Takes the lock, or returns the process that has it. The file comes into being complete, by link(2), which fails
 * where there is one; a dead holder's file is moved aside first, and put back if it was not the dead one's after all.
 */
export function takeLock(path: string): Lock | { readonly heldBy: LockHolder } {
  const self: LockHolder = { pid: process.pid, started: processStart(process.pid) ?? '', port: 0 };
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  let wasLeft = false;
  const write = (holder: LockHolder): void =>
    writeFileSync(temporary, JSON.stringify(holder), { mode: 0o600, flag: 'wx' });
  try {
    try {
      write(self);
    } catch (error) {
      throw stateUnwritable(dirname(path), error);
    }
    for (let attempt = 0; attempt < 8; attempt += 1) {
      try {
        linkSync(temporary, path);
        break;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const holder = findLockHolder(path);
      if (holder !== undefined) return { heldBy: holder };
      moveAside(path);
      wasLeft = true;
    }
  } finally {
    rmSync(temporary, { force: true });
  }
  const isOurs = (): boolean => {
    const holder = parseHolder(readOwnedFile(path, 'secret'));
    return holder?.pid === self.pid && holder.started === self.started;
  };
  if (!isOurs()) throw new Error('the lock changed hands while it was taken');
  return {
    wasLeft,
    publishPort: (port) => {
      write({ ...self, port });
      renameSync(temporary, path);
    },
    release: () => {
      if (isOurs()) rmSync(path, { force: true });
    },
  };
}

function moveAside(path: string): void {
  const aside = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  try {
    // Someone was quicker and this is their live lock: give it back. Where even that lost the race, the caller's
    // next look finds the newest holder.
    if (findLockHolder(aside) !== undefined) linkSync(aside, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}
