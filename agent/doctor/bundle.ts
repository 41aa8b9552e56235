import { open } from 'node:fs/promises';
import { pack } from 'tar-stream';
import { AgentError, describeError } from '../agent-error.ts';
import type { Scrub } from './scrub.ts';

export interface BundleMember {
  readonly name: string;
  readonly text: string;
}

/**
 * Writes a tar that only its owner can read; a file that is there already stays as it is.
 * @throws AgentError when it cannot be written; nothing of it is left then.
 */
export async function writeBundle(
  path: string,
  members: readonly BundleMember[],
  scrub: Scrub,
  now: Date,
): Promise<void> {
  const tar = pack();
  for (const { name, text } of members) tar.entry({ name, mode: 0o600, mtime: now }, scrub(text));
  tar.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of tar as AsyncIterable<Uint8Array>) chunks.push(chunk);
  try {
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(Buffer.concat(chunks));
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new AgentError(2, 'bundle-not-written', { path, reason: describeError(error) }, error);
  }
}
