import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KeyFileError, readPrivateKeyFile, writePrivateKeyFile } from '../../certs/key-file.ts';

let directory: string;
let count = 0;
const newPath = (): string => join(directory, `folder-${++count}`, 'keys', 'authority.key');
const keyPem = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey.export({
  format: 'pem',
  type: 'pkcs8',
});

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'postern-key-file-'));
});
afterAll(() => rm(directory, { recursive: true }));

describe('a private key file', () => {
  it('can be read by its owner alone, in a directory that is closed to others', async () => {
    const path = newPath();
    await writePrivateKeyFile(path, keyPem);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(join(path, '..'))).mode & 0o777).toBe(0o700);
    expect(await readPrivateKeyFile(path)).toBe(keyPem);
  });

  it('with a passphrase is encrypted PKCS#8 with scrypt that OpenSSL reads', async () => {
    const path = newPath();
    await writePrivateKeyFile(path, keyPem, 'correct horse é');
    const text = await readFile(path, 'latin1');
    expect(text).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----\n/);
    const scrypt = Buffer.from('2b06010401da47040b', 'hex');
    expect(Buffer.from(text.replaceAll(/-----.*-----|\n/g, ''), 'base64').includes(scrypt)).toBe(true);
    const opened = createPrivateKey({ key: text, passphrase: 'correct horse é' });
    expect(opened.equals(createPrivateKey(keyPem))).toBe(true);
    expect(await readPrivateKeyFile(path, 'correct horse é')).toBe(keyPem);
  });

  it('says which of passphrase missing, passphrase wrong and file damaged it is', async () => {
    const path = newPath();
    await writePrivateKeyFile(path, keyPem, 'right');
    await expect(readPrivateKeyFile(path)).rejects.toThrow(`${path}: the key is encrypted and no passphrase`);
    await expect(readPrivateKeyFile(path, '')).rejects.toThrow('no passphrase was given');
    await expect(readPrivateKeyFile(path, 'wrong')).rejects.toThrow(`${path}: wrong passphrase`);
    const damaged = newPath();
    await writePrivateKeyFile(damaged, keyPem);
    await writeFile(damaged, '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n');
    await expect(readPrivateKeyFile(damaged)).rejects.toThrow(`${damaged}: not a private key`);
  });

  it('is never written over, through a link either', async () => {
    const path = newPath();
    await writePrivateKeyFile(path, keyPem);
    const before = await readFile(path);
    await expect(writePrivateKeyFile(path, keyPem, 'x')).rejects.toThrow(KeyFileError);
    expect(await readFile(path)).toEqual(before);
    const link = join(path, '..', 'link.key');
    await symlink(join(directory, 'caught'), link);
    await expect(writePrivateKeyFile(link, keyPem)).rejects.toThrow(KeyFileError);
    await expect(stat(join(directory, 'caught'))).rejects.toThrow('ENOENT');
  });

  it.each([0o640, 0o604, 0o660])('that others could read (mode %o) is not used', async (mode) => {
    const path = newPath();
    await writePrivateKeyFile(path, keyPem);
    await chmod(path, mode);
    await expect(readPrivateKeyFile(path)).rejects.toThrow('run chmod 600 on it');
    await chmod(path, 0o600);
    await expect(readPrivateKeyFile(path)).resolves.toBe(keyPem);
  });

  it('that is missing, or no file, says so', async () => {
    const path = newPath();
    await expect(readPrivateKeyFile(path)).rejects.toThrow(`${path}: no such key file`);
    await expect(readPrivateKeyFile(directory)).rejects.toThrow(KeyFileError);
  });

  it('is not written with an empty passphrase, nor with something that is no key', async () => {
    const path = newPath();
    await expect(writePrivateKeyFile(path, keyPem, '')).rejects.toThrow(KeyFileError);
    await expect(writePrivateKeyFile(path, 'secret')).rejects.toThrow();
    await expect(stat(path)).rejects.toThrow('ENOENT');
  });
});
