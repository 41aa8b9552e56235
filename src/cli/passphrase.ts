import { readFile } from 'node:fs/promises';
import { CliError, exitCodes } from './cli-error.ts';

/** The first line of the file that the option or the variable names; undefined where neither is given. */
export async function readPassphrase(
  option: string | undefined,
  variable: 'POSTERN_PASSPHRASE_FILE' | 'POSTERN_BACKUP_PASSPHRASE_FILE' = 'POSTERN_PASSPHRASE_FILE',
): Promise<string | undefined> {
  const path = option ?? process.env[variable];
  if (path === undefined) return undefined;
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new CliError(exitCodes.invalid, `${path} cannot be read: ${(error as Error).message}`);
  }
  const [line = ''] = text.split(/\r?\n/);
  if (line === '')
    throw new CliError(exitCodes.invalid, `${path} begins with an empty line, not a passphrase`);
  return line;
}
