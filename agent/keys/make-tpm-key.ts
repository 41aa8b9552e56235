import type { KeyObject } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { derTag, encodeDer, readChildren, readDocument } from '../../certs/der.ts';
import type { DerElement } from '../../certs/der.ts';
import { decodePem, encodePem } from '../../certs/pem.ts';
import { AgentError, describeError } from '../agent-error.ts';
import { runTrusted } from '../posture/run-trusted.ts';
import { opensslProgram } from './find-tpm.ts';
import type { Tpm } from './find-tpm.ts';

/** A TPM on a slow bus takes seconds for a key. */
const timeoutMs = 30_000;

const openssl = (
  { modules, transport }: Tpm,
  args: readonly string[],
  encoding: BufferEncoding = 'utf8',
): Promise<string> =>
  runTrusted(opensslProgram, args, {
    timeoutMs,
    encoding,
    environment: {
      // Nothing of the machine's own settings.
      OPENSSL_CONF: '/dev/null',
      OPENSSL_MODULES: modules,
      TPM2OPENSSL_TCTI: transport,
      TSS2_LOG: 'all+none',
    },
  });

/** Where the TPM itself is to do what it can, and not the library for it. */
const inTpm = ['-provider', 'tpm2', '-provider', 'default', '-propquery', '?provider=tpm2'];

/**
 * A new P-256 key in the TPM. What comes back is the key wrapped by the TPM for itself: the key of the key never leaves
 * it, so the file is of no use on another machine.
 * @throws AgentError
 */
export async function createTpmKey(tpm: Tpm): Promise<string> {
  try {
    return await openssl(tpm, ['genpkey', ...inTpm, '-algorithm', 'EC', '-pkeyopt', 'group:P-256']);
  } catch (error) {
    throw new AgentError(1, 'tpm-failed', { reason: describeError(error) }, error);
  }
}

/**
 * A certificate request that the TPM signed. With the providers in this order, the program comes by the key as the
 * agent's own OpenSSL will for each handshake: a provider that is too old to do that shows here.
 * @throws AgentError
 */
export async function createTpmRequest(tpm: Tpm, keyPem: string): Promise<string> {
  try {
    return await withFiles({ key: keyPem }, async ({ key }) => {
      const providers = ['-provider', 'default', '-provider', 'tpm2'];
      return withPlainAlgorithm(await openssl(tpm, ['req', '-new', ...providers, '-key', key, '-subj', '/']));
    });
  } catch (error) {
    const reason = describeError(error);
    if (reason.includes('missing private key')) throw new AgentError(2, 'tpm-provider-old', {}, error);
    throw new AgentError(1, 'tpm-failed', { reason }, error);
  }
}

/** The secret that the key shares with another one (ECDH), as the TPM finds it. Rejects where that does not know the key. */
export const agreeInTpm = (tpm: Tpm, keyPem: string, peer: KeyObject): Promise<Buffer> =>
  withFiles({ key: keyPem, peer: peer.export({ format: 'pem', type: 'spki' }) }, async (files) => {
    const args = ['pkeyutl', ...inTpm, '-derive', '-inkey', files.key, '-peerkey', files.peer];
    return Buffer.from(await openssl(tpm, args, 'latin1'), 'latin1');
  });

/** Files for the program to read, for as long as it runs. */
async function withFiles<Name extends string, Result>(
  contents: Readonly<Record<Name, string | Buffer>>,
  use: (paths: Readonly<Record<Name, string>>) => Promise<Result>,
): Promise<Result> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-key-'));
  try {
    const paths = { ...contents } as Record<Name, string>;
    for (const [name, content] of Object.entries(contents) as [Name, string | Buffer][]) {
      paths[name] = join(directory, name);
      await writeFile(paths[name], content, { mode: 0o600 });
    }
    return await use(paths);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const label = 'CERTIFICATE REQUEST';
const ecdsaWithSha256 = Buffer.from('300a06082a8648ce3d040302', 'hex');

/** The provider writes a NULL behind the name of its algorithm, where RFC 5758, section 3.2, has nothing. It is not signed. */
function withPlainAlgorithm(csrPem: string): string {
  const der = decodePem(csrPem, label);
  if (der === undefined) throw new Error('openssl wrote no request');
  const [info, , signature] = readChildren(der, readDocument(der));
  if (info === undefined || signature === undefined) throw new Error('openssl wrote half a request');
  const whole = ({ start, end }: DerElement): Buffer => der.subarray(start, end);
  return encodePem(encodeDer(derTag.sequence, whole(info), ecdsaWithSha256, whole(signature)), label);
}
