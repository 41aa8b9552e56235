import { release } from 'node:os';
import { postureFacts } from '../../src/contract/posture.ts';
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

/** macOS keeps its version in a property list, which `sw_vers` reads too. */
export const parseSystemVersion = (text: string): string | undefined =>
  /<key>ProductVersion<\/key>\s*<string>([^<]*)<\/string>/.exec(text)?.[1];

/** Which system this is, cut to what a posture report may hold. */
export async function identifySystem(
  files: SystemFiles,
  platform: NodeJS.Platform,
  kernelVersion = release(),
): Promise<{ os: string; osVersion: string; kernelVersion: string }> {
  const cut = (os: string, osVersion: string) => ({
    os: os.slice(0, postureFacts.os.maxLength),
    osVersion: osVersion.slice(0, postureFacts.osVersion.maxLength),
    kernelVersion: kernelVersion.slice(0, postureFacts.kernelVersion.maxLength),
  });
  if (platform === 'win32') return cut('windows', kernelVersion);
  if (platform === 'darwin') {
    const text = await files.read('/System/Library/CoreServices/SystemVersion.plist');
    return cut('macos', parseSystemVersion(text?.toString('utf8') ?? '') ?? kernelVersion);
  }
  const values = await readOsRelease(files);
  // Rolling distributions have no version; their kernel's is the nearest thing.
  return cut(values.get('ID') ?? platform, values.get('VERSION_ID') ?? kernelVersion);
}
