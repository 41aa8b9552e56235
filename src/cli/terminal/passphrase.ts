import { open } from 'node:fs/promises';
import { CliError, exitCodes } from '../cli-error.ts';

/** The first line of the file that the option or the variable names; undefined where neither is given. */
export async function readPassphrase(
  option: string | undefined,
  variable: 'POSTERN_PASSPHRASE_FILE' | 'POSTERN_BACKUP_PASSPHRASE_FILE' = 'POSTERN_PASSPHRASE_FILE',
): Promise<string | undefined> {
  const path = option ?? process.env[variable];
  if (path === undefined) return undefined;
  const text = await readSecretFile(path);
  const [line = ''] = text.split(/\r?\n/);
  if (line === '')
    throw new CliError(exitCodes.invalid, `${path} begins with an empty line, not a passphrase`);
  return line;
}

const groupAndOthers = 0o077;
const others = 0o007;

/**
 * A file that holds a secret, which nobody but its user may read or change. A group may where root gave it one, as
 * service managers do with what they hand to a service.
 * @throws CliError where others may, with what to do: the secret is then theirs as well.
 */
export async function readSecretFile(path: string): Promise<string> {
  try {
    const file = await open(path);
    try {
      const { mode, uid } = await file.stat();
      const tooMany = uid === 0 && process.getuid?.() !== 0 ? others : groupAndOthers;
      // Windows has no such bits, and what is handed over by a pipe is nobody else's.
      if (process.platform !== 'win32' && (mode & tooMany) !== 0)
        throw new CliError(
          exitCodes.invalid,
          `${path} holds a secret that other users of this machine may read or change: chmod 600 ${path}, and where others can log in, choose a new secret`,
        );
      return await file.readFile('utf8');
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(exitCodes.invalid, `${path} cannot be read: ${(error as Error).message}`);
  }
}
