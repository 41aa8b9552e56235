import { existsSync } from 'node:fs';
import { chmod, chown, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { listKept } from './list-kept.ts';

/**
 * Lets the group of the workers' user read what is kept, and nobody else: whoever searches as that user looks there too. Nobody but
 * this process writes in the directory, so that there are no links. @throws what the file system throws
 */
export async function shareKept(directory: string, gid: number): Promise<void> {
  if (!existsSync(directory)) return;
  const share = async (path: string, mode: number): Promise<void> => {
    const { uid, gid: group } = await stat(path);
    if (group === gid) return;
    await chown(path, uid, gid);
    await chmod(path, mode);
  };
  for (const files of (await listKept(directory)).values())
    for (const { name } of files) await share(join(directory, name), 0o640);
  await share(directory, 0o750);
}
