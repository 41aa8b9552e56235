import { readdir } from 'node:fs/promises';

/** What is in a folder of an archive; nothing where it was removed, its time being over, or what lies there is no folder. */
export async function listNames(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
}
