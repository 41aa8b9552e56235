import { X509Certificate } from 'node:crypto';
import { AgentError } from '../agent-error.ts';
import { certificateThumbprint } from '../../certs/thumbprint.ts';
import { clientContext, explainKey, KeyUnusable } from '../keys/client-context.ts';
import { publicKeyOf } from '../keys/public-key.ts';
import { isTpmKey } from '../keys/tpm-key.ts';
import { readOwnedFile } from './owned-file.ts';
import type { StatePaths } from './state-directory.ts';

/** What proves this laptop: its key, its certificate, and the authority that it trusts in return. */
export interface Credentials {
  /** The key, or what its TPM wrapped for itself. */
  readonly keyPem: string;
  /** Leaf first, then the device authority. */
  readonly chainPem: string;
  readonly authorityPem: string;
  /** base64url SHA-256 of the leaf's DER; session tokens are bound to it. */
  readonly thumbprint: string;
  /** Epoch seconds. */
  readonly notBefore: number;
  readonly notAfter: number;
}

const seconds = (date: Date): number => Math.floor(date.getTime() / 1000);

/** Assembles credentials. Throws TypeError when key and certificate do not belong together. */
export function buildCredentials(keyPem: string, chainPem: string, authorityPem: string): Credentials {
  const leaf = new X509Certificate(chainPem);
  if (!leaf.publicKey.equals(publicKeyOf(keyPem))) throw new TypeError('certificate of another key');
  return {
    keyPem,
    chainPem,
    authorityPem,
    thumbprint: certificateThumbprint(leaf.raw),
    notBefore: seconds(leaf.validFromDate),
    notAfter: seconds(leaf.validToDate),
  };
}

/** Reads them from the state directory; AgentError that says what is missing or does not fit. */
export function loadCredentials(paths: StatePaths): Credentials {
  const key = readOwnedFile(paths.key, 'secret');
  const chain = readOwnedFile(paths.certificate, 'public');
  const authority = readOwnedFile(paths.authority, 'public');
  if (key === undefined || chain === undefined || authority === undefined) {
    throw new AgentError(2, 'not-enrolled', { directory: paths.directory });
  }
  checkReadable(paths.key, () => publicKeyOf(key));
  for (const [path, pem] of [
    [paths.certificate, chain],
    [paths.authority, authority],
  ] as const)
    checkReadable(path, () => new X509Certificate(pem));
  let credentials;
  try {
    credentials = buildCredentials(key, chain, authority);
  } catch (error) {
    throw new AgentError(2, 'credentials-invalid', { directory: paths.directory }, error);
  }
  checkUsable(credentials);
  return credentials;
}

/** A copy of the files is no copy of the TPM: better said now than as a handshake that fails. */
function checkUsable(credentials: Credentials): void {
  if (!isTpmKey(credentials.keyPem)) return;
  try {
    clientContext(credentials);
  } catch (error) {
    throw error instanceof KeyUnusable ? explainKey(error) : error;
  }
}

/** Which of the files is damaged is what a person has to know. */
function checkReadable(file: string, read: () => unknown): void {
  try {
    read();
  } catch (error) {
    throw new AgentError(2, 'state-file-damaged', { file }, error);
  }
}
