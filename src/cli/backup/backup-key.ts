import type { Command } from 'commander';
import type { Lock, Unlock } from '../../backup/age-file.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import { readPassphrase, readSecretFile } from '../terminal/passphrase.ts';
import { askSecret } from '../terminal/prompt.ts';

/** Few enough to type, too many to try. */
const minPassphraseLength = 12;

export interface UnlockOptions {
  readonly passphraseFile?: string;
  readonly identity?: string;
}

export const addUnlock = (command: Command): Command =>
  command
    .option(
      '--passphrase-file <file>',
      'its first line opens the backup (or POSTERN_BACKUP_PASSPHRASE_FILE; else it is asked for)',
    )
    .option('--identity <file>', 'private keys of age, where the backup was made for recipients');

/** What a new backup is locked with. A passphrase never comes from an argument, which everyone on the machine can read. */
export async function readLock(options: {
  readonly passphraseFile?: string;
  readonly recipient?: readonly string[];
}): Promise<Lock> {
  const { passphraseFile, recipient: recipients } = options;
  if (recipients !== undefined) {
    if (passphraseFile !== undefined)
      throw new CliError(exitCodes.invalid, 'a backup is locked by a passphrase or for recipients, not both');
    return { recipients };
  }
  let passphrase = await readPassphrase(passphraseFile, 'POSTERN_BACKUP_PASSPHRASE_FILE');
  if (passphrase === undefined) {
    passphrase = await askSecret('Passphrase of this backup: ');
    if ((await askSecret('Once more: ')) !== passphrase)
      throw new CliError(exitCodes.invalid, 'the two passphrases differ; nothing was written');
  }
  if (passphrase.length < minPassphraseLength)
    throw new CliError(
      exitCodes.invalid,
      `a passphrase of a backup has at least ${minPassphraseLength} characters: whoever guesses it is this installation`,
    );
  return { passphrase };
}

/** What opens an existing one. */
export async function readUnlock({ passphraseFile, identity }: UnlockOptions): Promise<Unlock> {
  if (identity === undefined) {
    const passphrase = await readPassphrase(passphraseFile, 'POSTERN_BACKUP_PASSPHRASE_FILE');
    return { passphrase: passphrase ?? (await askSecret('Passphrase of the backup: ')) };
  }
  const text = await readSecretFile(identity);
  const identities = text.split(/\r?\n/).filter((line) => line.trim() !== '' && !line.startsWith('#'));
  if (identities.length === 0) throw new CliError(exitCodes.invalid, `${identity} holds no identity`);
  return { identities };
}
