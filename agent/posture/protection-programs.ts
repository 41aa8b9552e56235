import { posix } from 'node:path';
import type { SystemFiles } from './system-files.ts';

/** Where the protection programs that must run are named, one absolute path a line. */
export const protectionFile = {
  linux: '/etc/postern-agent/protection',
  darwin: '/Library/Application Support/Postern/protection',
  win32: 'C:\\ProgramData\\Postern\\protection',
} as const;
export type ProtectionPlatform = keyof typeof protectionFile;

const absolutePath = /^(\/|[A-Z]:\\).+/;

/**
 * What the file names; undefined where there is none. On a system whose owners are shown it must be root's alone: who
 * may write it says which program counts as protection.
 * @throws Error for a file that others may write, or that names something by less than an absolute path.
 */
export async function readProtectionPrograms(
  files: SystemFiles,
  platform: ProtectionPlatform,
): Promise<readonly string[] | undefined> {
  const path = protectionFile[platform];
  const text = (await files.read(path))?.toString('utf8');
  if (text === undefined) return undefined;
  if (platform !== 'win32') await requireRootOwned(files, path);
  const programs = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  const wrong = programs.find((program) => !absolutePath.test(program));
  if (wrong !== undefined) throw new Error(`${path}: ${wrong.slice(0, 60)} is no absolute path`);
  return programs.slice(0, 16);
}

/** @throws Error unless a file, with all links followed, and all that leads to it are root's alone. */
export async function requireRootOwned(files: SystemFiles, path: string): Promise<string> {
  const real = await files.resolve(path);
  if (real === undefined) throw new Error(`${path} is not there`);
  for (let part = real; ; part = posix.dirname(part)) {
    const found = await files.stat(part);
    if (found === undefined || !found.isRoots || found.isShared)
      throw new Error(`${part} is not root's alone`);
    if (part === '/') return real;
  }
}
