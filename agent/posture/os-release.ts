import { release } from 'node:os';
import type { SystemFiles } from './system-files.ts';

/** os-release(5): KEY=value lines, values perhaps quoted as in a shell. */
export function parseOsRelease(text: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^([A-Z][A-Z0-9_]*)=(.*)$/.exec(line.trim());
    if (match === null) continue;
    const [, key = '', raw = ''] = match;
    const quoted = /^(["'])(.*)\1$/.exec(raw);
    values.set(key, (quoted?.[2] ?? raw).replaceAll(/\\(["'$`\\])/g, '$1'));
  }
  return values;
}

export async function readOsRelease(files: SystemFiles): Promise<ReadonlyMap<string, string>> {
  const text = (await files.read('/etc/os-release')) ?? (await files.read('/usr/lib/os-release'));
  return parseOsRelease(text?.toString('utf8') ?? '');
}

/** Which system this is, cut to what a posture report may hold. */
export async function identifySystem(
  files: SystemFiles,
  platform: NodeJS.Platform,
): Promise<{ os: string; osVersion: string }> {
  const values = platform === 'linux' ? await readOsRelease(files) : new Map<string, string>();
  return {
    os: (values.get('ID') ?? platform).slice(0, 32),
    // Rolling distributions have no version; their kernel's is the nearest thing.
    osVersion: (values.get('VERSION_ID') ?? release()).slice(0, 64),
  };
}
