import { Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { BackupError } from './backup-error.ts';

/** What a backup is locked with: a passphrase, or the public keys (`age1…`) of those who may open it. */
export type Lock = { readonly passphrase: string } | { readonly recipients: readonly string[] };

/** What opens one: the passphrase, or private keys (`AGE-SECRET-KEY-…`). */
export type Unlock = { readonly passphrase: string } | { readonly identities: readonly string[] };

type Bytes = ReadableStream<Uint8Array>;

export interface Locked {
  readonly bytes: Bytes;
  /** Opens what was just locked, to look whether it was written well. */
  readonly unlock: Unlock;
}

/**
 * Encrypts and authenticates a stream as an age file (https://age-encryption.org/v1). Whoever locks to recipients cannot
 * open it again, so one more key pair is made, whose private half is forgotten when the process ends.
 * @throws BackupError for what is no recipient.
 */
export async function lock(bytes: Bytes, how: Lock): Promise<Locked> {
  const encrypter = new Encrypter();
  if ('passphrase' in how) {
    encrypter.setPassphrase(how.passphrase);
    return { bytes: await encrypter.encrypt(bytes), unlock: how };
  }
  for (const recipient of how.recipients) {
    try {
      encrypter.addRecipient(recipient);
    } catch (error) {
      const shown = JSON.stringify(recipient.slice(0, 80));
      throw new BackupError('refused', `${shown} is not a recipient: age-keygen prints one, age1…`, {
        cause: error,
      });
    }
  }
  const identity = await generateX25519Identity();
  encrypter.addRecipient(await identityToRecipient(identity));
  return { bytes: await encrypter.encrypt(bytes), unlock: { identities: [identity] } };
}

/**
 * Decrypts; each piece is authenticated before it comes out, and the last says that it is the last. What came out
 * counts only once the stream has ended.
 * @throws BackupError `locked` or `damaged`; the stream fails with an error of the library when a later piece is wrong.
 */
export async function unlock(bytes: Bytes, how: Unlock): Promise<Bytes> {
  const decrypter = new Decrypter();
  if ('passphrase' in how) decrypter.addPassphrase(how.passphrase);
  else
    for (const identity of how.identities) {
      try {
        decrypter.addIdentity(identity);
      } catch (error) {
        // The cause may quote the key.
        throw new BackupError('refused', 'the identity file holds a line that is no identity of age', {
          cause: new Error((error as Error).name),
        });
      }
    }
  try {
    return await decrypter.decrypt(bytes);
  } catch (error) {
    const { message } = error as Error;
    if (message.startsWith('no identity matched'))
      throw new BackupError(
        'locked',
        'passphrase' in how
          ? 'the passphrase does not open it (or its first lines are damaged, or it is locked to recipients: --identity)'
          : 'none of the identities opens it (or its first lines are damaged, or it is locked by a passphrase)',
        { cause: error },
      );
    throw new BackupError('damaged', `it is not a whole file of age: ${message}`, { cause: error });
  }
}
