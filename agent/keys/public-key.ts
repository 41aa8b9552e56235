import { createPrivateKey, createPublicKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { isTpmKey, tpmPublicKey } from './tpm-key.ts';

/** The public half of the key in `device.key`, wherever the private one is. Throws where that holds no such key. */
export const publicKeyOf = (keyPem: string): KeyObject =>
  isTpmKey(keyPem) ? tpmPublicKey(keyPem) : createPublicKey(createPrivateKey(keyPem));
