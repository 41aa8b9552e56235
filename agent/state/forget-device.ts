import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { AgentError } from '../agent-error.ts';
import type { Clock } from '../clock.ts';
import { syncDirectory } from './atomic-file.ts';
import { findLockHolder, takeLock } from './lock.ts';
import { loadSettings } from './settings-file.ts';
import { checkStateDirectory } from './state-directory.ts';
import type { StatePaths } from './state-directory.ts';

const stopLimitMs = 15_000;
const lookEveryMs = 50;

/**
 * Stops the agent that runs on the directory and deletes what makes this laptop a device, the key first. Only files of
 * ours go. Returns the device's id, `-` where that was not to be found out.
 * @throws AgentError when there is nothing to forget or the agent does not stop; nothing is deleted then.
 */
export async function forgetDevice(directory: string, clock: Clock): Promise<string> {
  const paths = checkStateDirectory(directory);
  if (!existsSync(paths.key) && !existsSync(paths.settings))
    throw new AgentError(2, 'not-enrolled', { directory });
  const device = deviceOf(paths);
  await stopAgent(paths, clock);
  // Held while files go, so that no agent starts on half of them.
  const lock = takeLock(paths.lock);
  if ('heldBy' in lock) throw new AgentError(1, 'agent-not-stopping', { pid: lock.heldBy.pid });
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
  removeLeftovers(paths);
  syncDirectory(directory);
  lock.release();
  if (readdirSync(directory).length === 0) removeEmpty(directory);
  return device;
}

/** That of a service lies where only root may take it away, and is of no harm when empty. */
function removeEmpty(directory: string): void {
  try {
    rmdirSync(directory);
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
