import { open, stat } from 'node:fs/promises';

/** A full one must be looked at by a person: until then the sink waits rather than pass over more. */
const mostBytes = 64 * 1024 * 1024;

export interface RefusedEntry {
  readonly reason: string;
  readonly text: string;
}

/**
 * Keeps what a receiver will never take, each with why, as JSON lines in a file beside the cursor, on disk before it
 * resolves. @throws where the file is full or cannot be written: the records stay in the spool.
 */
export async function keepRefused(
  path: string,
  entries: readonly RefusedEntry[],
  now: number,
): Promise<void> {
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  if (size > mostBytes)
    throw new Error(`the receiver refuses too much: look at ${path}, mend it, and move that file away`);
  const file = await open(path, 'a', 0o600);
  try {
    const at = new Date(now).toISOString();
    await file.appendFile(
      entries.map(({ reason, text }) => `${JSON.stringify({ at, reason, record: text })}\n`).join(''),
    );
    await file.datasync();
  } finally {
    await file.close();
  }
}
