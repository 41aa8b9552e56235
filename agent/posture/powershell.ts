import type { CheckContext } from './posture-check.ts';

const powershell = 'C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe';
const registry = 'C:\\Windows\\System32\\reg.exe';

/**
 * What a script of ours answers as JSON: numbers and names of properties, which are the same in every language of
 * Windows, where the texts of its older programs are not.
 */
export async function askPowerShell({ run }: CheckContext, script: string): Promise<string> {
  const guarded = `$ErrorActionPreference='Stop';${script}`;
  return run(powershell, ['-NoLogo', '-NoProfile', '-NonInteractive', '-Command', guarded]);
}

/** ConvertTo-Json writes one object without brackets, and nothing at all for none. */
export function parseRows(output: string): readonly unknown[] {
  const text = output.trim();
  if (text === '') return [];
  const value: unknown = JSON.parse(text);
  return Array.isArray(value) ? value : [value];
}

/** Values of one registry key, by name in lower case: numbers of REG_DWORD, texts of REG_SZ. */
export function parseRegistry(output: string): ReadonlyMap<string, number | string> {
  const values = new Map<string, number | string>();
  for (const line of output.split(/\r?\n/)) {
    const [, name = '', type = '', value = ''] = /^ {4}(.+?) {4}(REG_[A-Z_]+) {4}(.*)$/.exec(line) ?? [];
    if (type === 'REG_DWORD') values.set(name.toLowerCase(), Number(value));
    else if (type === 'REG_SZ') values.set(name.toLowerCase(), value);
  }
  return values;
}

export const readRegistry = async (
  { run }: CheckContext,
  key: string,
): Promise<ReadonlyMap<string, number | string>> => parseRegistry(await run(registry, ['query', key]));
