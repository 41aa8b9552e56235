import { spawn, spawnSync } from 'node:child_process';
import type { SpawnOptions } from 'node:child_process';

const setpriv = '/usr/bin/setpriv';
const canFollow = spawnSync(setpriv, ['--pdeathsig', 'KILL', '--', 'true']).status === 0;

/**
 * Starts a program that ends when this process does, however that ends: by SIGKILL too, and by a signal that it does not
 * listen for, the kernel sees to it. Where that cannot be had, it starts it all the same.
 */
export const spawnWithUs = ((program: string, args: readonly string[], options: SpawnOptions = {}) =>
  canFollow
    ? spawn(setpriv, ['--pdeathsig', 'KILL', '--', program, ...args], options)
    : spawn(program, [...args], options)) as typeof spawn;
