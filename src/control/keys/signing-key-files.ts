import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readPrivateKeyFile, writePrivateKeyFile } from '../../../certs/key-file.ts';
import { dataDirectory, signingKeyPath } from '../../contract/data-directory.ts';
import type { PublishedKey } from '../../domain/control-state.ts';
import { createSigningKey } from '../../identity/signing-key.ts';
import type { KeyUse } from '../../identity/signing-key.ts';

/** The private halves of signing keys, one file each, named by use and key id. */
export interface SigningKeyFiles {
  /** Makes a key and writes its private half, durably, before anyone is told the public one. */
  create(use: KeyUse, now: number): Promise<PublishedKey>;
  /** The key ids of all private halves that are here. */
  list(): Promise<readonly string[]>;
  /** PKCS#8 PEM. @throws KeyFileError */
  read(use: KeyUse, kid: string): Promise<string>;
  delete(use: KeyUse, kid: string): Promise<void>;
}

const kidShape = /^[A-Za-z0-9_-]{1,64}$/;

export function openSigningKeyFiles(directory: string, passphrase?: string): SigningKeyFiles {
  const pathOf = (use: KeyUse, kid: string): string => {
    // It comes from the ledger, which we wrote; a path is still never made from what was not looked at.
    if (!kidShape.test(kid)) throw new TypeError('not a key id');
    return join(directory, signingKeyPath(use, kid));
  };
  return {
    async create(use, now) {
      const { privateKeyPem, published } = createSigningKey(use, now);
      await mkdir(join(directory, dataDirectory.signingKeys), { recursive: true, mode: 0o700 });
      await writePrivateKeyFile(pathOf(use, published.kid), privateKeyPem, passphrase);
      return published;
    },
    async list() {
      const names = await readdir(join(directory, dataDirectory.signingKeys)).catch((error: unknown) => {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
        throw error;
      });
      return names.flatMap(
        (name) => /^(?:session|assertion)-([A-Za-z0-9_-]{1,64})\.key$/.exec(name)?.[1] ?? [],
      );
    },
    read: (use, kid) => readPrivateKeyFile(pathOf(use, kid), passphrase),
    delete: (use, kid) => rm(pathOf(use, kid), { force: true }),
  };
}
