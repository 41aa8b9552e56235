import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { AgentError } from '../agent-error.ts';
import type { Clock } from '../clock.ts';
import { syncDirectory, writeFilesAtomically } from './atomic-file.ts';
import { findLockHolder, takeLock } from './lock.ts';
import { loadSettings } from './settings-file.ts';
import { checkStateDirectory, statePaths } from './state-directory.ts';
import type { StatePaths } from './state-directory.ts';

const stopLimitMs = 15_000;
const lookEveryMs = 50;

export interface ForgottenDevice {
  /** `-` where that was not to be found out. */
  readonly device: string;
  /** What `tell` returned. It is left for the helper that runs as root, which believes nothing else. */
  readonly word: string | undefined;
}

/**
 * Stops the agent that runs on the directory, has the control plane told, and deletes what makes this laptop a device,
 * the key first. Only files of ours go.
 * @throws AgentError when there is nothing to forget or the agent does not stop; nothing is deleted then.
 */
export async function forgetDevice(
  directory: string,
  clock: Clock,
  tell: (paths: StatePaths) => Promise<string | undefined>,
): Promise<ForgottenDevice> {
  const paths = checkStateDirectory(directory);
  if (!existsSync(paths.key) && !existsSync(paths.settings))
    throw new AgentError(2, 'not-enrolled', { directory });
  const device = deviceOf(paths);
  await stopAgent(paths, clock);
  // Held while files go, so that no agent starts on half of them.
  const lock = takeLock(paths.lock);
  if ('heldBy' in lock) throw new AgentError(1, 'agent-not-stopping', { pid: lock.heldBy.pid });
  const word = await tell(paths);
  for (const path of [
    paths.key,
    paths.signIn,
    paths.cache,
    paths.addresses,
    paths.firewall,
    paths.names,
    paths.certificate,
    paths.authority,
    paths.openssl,
    paths.settings,
  ]) {
    rmSync(path, { force: true });
  }
  // Last: once the helper has seen it, there is no enrollment any more that it could adopt.
  if (word !== undefined) writeFilesAtomically([{ path: paths.firewall, content: word }]);
  removeLeftovers(paths);
  syncDirectory(directory);
  lock.release();
  removeIfEmpty(directory);
  return { device, word };
}

/** The last of it, once the helper has seen it. */
export function forgetWord(directory: string): void {
  rmSync(statePaths(directory).firewall, { force: true });
  removeIfEmpty(directory);
}

/** That of a service lies where only root may take it away, and is of no harm when empty. */
function removeIfEmpty(directory: string): void {
  try {
    if (readdirSync(directory).length === 0) rmdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
  }
}

/** A damaged agent.yaml is no reason to keep the key. */
function deviceOf(paths: StatePaths): string {
  try {
    return loadSettings(paths.settings)?.device ?? '-';
  } catch {
    return '-';
  }
}

async function stopAgent(paths: StatePaths, clock: Clock): Promise<void> {
  const holder = findLockHolder(paths.lock);
  if (holder === undefined) return;
  process.kill(holder.pid, 'SIGTERM');
  for (let waited = 0; waited < stopLimitMs; waited += lookEveryMs) {
    if (findLockHolder(paths.lock) === undefined) return;
    await clock.sleep(lookEveryMs);
  }
  throw new AgentError(1, 'agent-not-stopping', { pid: holder.pid });
}

/** Temporary files of a write that a crash cut short; one could hold a key. */
function removeLeftovers(paths: StatePaths): void {
  const names = Object.values(paths).map((path) => basename(path as string));
  for (const entry of readdirSync(paths.directory)) {
    const isOurs = names.some((name) => entry.startsWith(`${name}.`) && entry.endsWith('.tmp'));
    if (isOurs) rmSync(join(paths.directory, entry), { force: true });
  }
}
