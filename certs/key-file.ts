import { createPrivateKey } from 'node:crypto';
import { mkdir, open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { encryptPrivateKey } from './encrypted-key.ts';

/** A key file that is missing, unsafe or cannot be opened. `message` names the file and what to do, never the key. */
export class KeyFileError extends Error {
  override readonly name = 'KeyFileError';
}

const maxKeyFileBytes = 16_384;

/**
 * Writes a private key (PEM) that only its owner can read, encrypted if there is a passphrase, and durable before it
 * returns. An existing file is never overwritten: it could be the only copy, or a link planted to catch the key.
 */
export async function writePrivateKeyFile(
  path: string,
  privateKeyPem: string,
  passphrase?: string,
): Promise<void> {
  if (passphrase === '') throw new KeyFileError(`${path}: an empty passphrase protects nothing`);
  const text =
    passphrase === undefined
      ? createPrivateKey(privateKeyPem).export({ format: 'pem', type: 'pkcs8' })
      : encryptPrivateKey(privateKeyPem, passphrase);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const file = await openFile(path, 'wx');
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** The private key in the file as unencrypted PKCS#8 PEM. Throws KeyFileError. */
export async function readPrivateKeyFile(path: string, passphrase?: string): Promise<string> {
  const file = await openFile(path, 'r');
  try {
    // Asked of the open file, so that it cannot be exchanged between the look and the reading.
    const status = await file.stat();
    if (!status.isFile() || status.size > maxKeyFileBytes) throw new KeyFileError(`${path}: not a key file`);
    if (process.platform !== 'win32' && (status.mode & 0o077) !== 0) {
      throw new KeyFileError(`${path}: others may read this key; run chmod 600 on it`);
    }
    return decryptPrivateKey(path, await file.readFile('latin1'), passphrase);
  } finally {
    await file.close();
  }
}

function decryptPrivateKey(path: string, text: string, passphrase: string | undefined): string {
  const encrypted = text.startsWith('-----BEGIN ENCRYPTED PRIVATE KEY-----');
  if (encrypted && (passphrase === undefined || passphrase === '')) {
    throw new KeyFileError(`${path}: the key is encrypted and no passphrase was given`);
  }
  try {
    const key = createPrivateKey(encrypted ? { key: text, passphrase: passphrase ?? '' } : { key: text });
    return key.export({ format: 'pem', type: 'pkcs8' });
  } catch {
    // The cause is left out: what OpenSSL says of a key's contents has no place in a log.
    throw new KeyFileError(
      encrypted ? `${path}: wrong passphrase, or a damaged file` : `${path}: not a private key`,
    );
  }
}

async function openFile(path: string, flags: 'wx' | 'r'): Promise<FileHandle> {
  try {
    return await open(path, flags, 0o600);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EEXIST') throw new KeyFileError(`${path}: there is a key already; it was left as it is`);
    if (code === 'ENOENT') throw new KeyFileError(`${path}: no such key file`);
    throw new KeyFileError(`${path}: cannot be opened (${String(code)})`, { cause: error });
  }
}
