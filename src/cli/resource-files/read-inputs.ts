import { open, readdir, realpath, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

/** Far above what 100,000 apps need; a wrong file name must not fill the memory. */
export const maxFileBytes = 16 * 1024 * 1024;

/** One file that was read, or why it was not. */
export type Input =
  | { readonly file: string; readonly text: string; readonly problem?: undefined }
  | { readonly file: string; readonly problem: string };

const isResourceFile = (name: string): boolean => /\.(ya?ml|json)$/.test(name) && !name.startsWith('.');

/**
 * The texts of files, of a directory's own *.yaml, *.yml and *.json in the order of their names, and of `-`, standard
 * input. A file that is named twice is read once.
 */
export async function readInputs(
  paths: readonly string[],
  stdin: AsyncIterable<Uint8Array>,
): Promise<Input[]> {
  const inputs: Input[] = [];
  const seen = new Set<string>();
  for (const path of paths) {
    if (path === '-') {
      if (!seen.has('-')) inputs.push(await readText('standard input', stdin));
      seen.add('-');
      continue;
    }
    for (const file of await listFiles(path)) {
      if (typeof file !== 'string') {
        inputs.push(file);
        continue;
      }
      const real = await realpath(file).catch(() => file);
      if (!seen.has(real)) inputs.push(await readFile(file));
      seen.add(real);
    }
  }
  return inputs;
}

async function listFiles(path: string): Promise<(string | Input)[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [path];
    const names = (await readdir(path)).filter(isResourceFile).sort();
    if (names.length === 0) return [{ file: path, problem: 'holds no *.yaml, *.yml or *.json file' }];
    return names.map((name) => join(path, name));
  } catch (error) {
    return [{ file: path, problem: unreadable(error) }];
  }
}

async function readFile(file: string): Promise<Input> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(file);
    return await readText(file, handle.createReadStream({ autoClose: false }));
  } catch (error) {
    return { file, problem: unreadable(error) };
  } finally {
    await handle?.close();
  }
}

async function readText(file: string, chunks: AsyncIterable<Uint8Array>): Promise<Input> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > maxFileBytes) return { file, problem: `is larger than ${maxFileBytes / 1_048_576} MiB` };
    parts.push(chunk);
  }
  try {
    return { file, text: new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(parts)) };
  } catch {
    return { file, problem: 'is not UTF-8 text' };
  }
}

function unreadable(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return 'does not exist';
  return `cannot be read: ${(error as Error).message}`;
}
