import { AgentError } from '../agent-error.ts';
import { becomeOwner } from '../state/become-owner.ts';
import { findTpm } from './find-tpm.ts';
import type { Tpm } from './find-tpm.ts';
import { isTpmKey } from './tpm-key.ts';
import { createTpmKey, createTpmRequest } from './make-tpm-key.ts';

/** Where a new key is to lie. `auto`: in the TPM where there is one that the agent can use, in a file otherwise. */
export const keyPlaces = ['auto', 'tpm', 'file'] as const;
export type KeyPlace = (typeof keyPlaces)[number];

export interface NewKey {
  /** What is kept in `device.key`: the key itself, or what its TPM wrapped for itself. */
  readonly keyPem: string;
  readonly csrPem: string;
}

/**
 * A new device key and a request for it. A TPM that is there and fails is an error also for `auto`: a key that is less
 * protected than others of the fleet should be somebody's decision.
 * @throws AgentError
 */
export async function createDeviceKey(place: KeyPlace): Promise<NewKey> {
  if (place !== 'file') becomeOwner();
  const tpm = place === 'file' ? undefined : await findFor(place);
  if (tpm !== undefined) {
    const keyPem = await createTpmKey(tpm);
    return { keyPem, csrPem: await createTpmRequest(tpm, keyPem) };
  }
  const { createKeyAndRequest } = await import('../../certs/request.ts');
  const { privateKeyPem, csrPem } = await createKeyAndRequest();
  return { keyPem: privateKeyPem, csrPem };
}

async function findFor(place: KeyPlace): Promise<Tpm | undefined> {
  try {
    return await findTpm();
  } catch (error) {
    if (place === 'auto' && error instanceof AgentError) return undefined;
    throw error;
  }
}

/**
 * A request for the key that there is. One in a TPM is signed by a program beside the agent, for a moment: a TPM holds
 * three keys at once for each that uses it, and the agent needs its own for handshakes.
 * @throws AgentError
 */
export async function createDeviceRequest(keyPem: string): Promise<string> {
  if (isTpmKey(keyPem)) return createTpmRequest(await findTpm(), keyPem);
  // Loaded when it is due, every few days: an agent that only carries flows needs no certificate library in memory.
  const { createRequest } = await import('../../certs/request.ts');
  return createRequest(keyPem);
}
