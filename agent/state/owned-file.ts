import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { AgentError, describeError } from '../agent-error.ts';

const maxBytes = 1024 * 1024;

/**
 * Reads a file of the state directory: a plain file of our own that nobody else can write, and for a secret, nobody
 * else can read. `root-too`: root's will do as well. Undefined where there is none. What is checked is what is read: one open, no second look by name.
 */
export function readOwnedFile(
  path: string,
  kind: 'public' | 'secret',
  owner: 'self' | 'root-too' = 'self',
): string | undefined {
  let handle;
  try {
    handle = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new AgentError(2, 'file-unreadable', { file: path, reason: describeError(error) }, error);
  }
  try {
    const found = fstatSync(handle);
    const self = process.geteuid?.();
    const forbidden = kind === 'secret' ? 0o077 : 0o022;
    if (!found.isFile() || found.size > maxBytes) {
      const reason = found.isFile() ? `${found.size} bytes` : 'not a plain file';
      throw new AgentError(2, 'file-unreadable', { file: path, reason });
    }
    const isOwned = found.uid === self || (owner === 'root-too' && found.uid === 0);
    if (self !== undefined && !isOwned) throw new AgentError(2, 'file-not-ours', { file: path });
    if (self !== undefined && (found.mode & forbidden) !== 0)
      throw new AgentError(2, 'file-exposed', { file: path });
    return readFileSync(handle, 'utf8');
  } finally {
    closeSync(handle);
  }
}
