import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { AgentError } from '../agent-error.ts';
import { checkTrusted } from '../posture/run-trusted.ts';

/** The kernel's resource manager: others that use the TPM are not in the way. */
const device = '/dev/tpmrm0';
const provider = 'tpm2.so';
export const opensslProgram = '/usr/bin/openssl';

/** What it takes to use the TPM of this laptop, by OpenSSL's provider for it (the package tpm2-openssl). */
export interface Tpm {
  /** How the TPM is reached, in the words of the TPM software stack: `device:/dev/tpmrm0`. */
  readonly transport: string;
  /** Directory of OpenSSL's modules; root's alone. */
  readonly modules: string;
}

/** Where distributions keep them, an administrator's own before the system's. */
function moduleDirectories(): string[] {
  const machine = { x64: 'x86_64', arm64: 'aarch64' }[process.arch as string] ?? process.arch;
  return [
    `/usr/local/lib/${machine}-linux-gnu`,
    '/usr/local/lib64',
    `/usr/lib/${machine}-linux-gnu`,
    '/usr/lib64',
    '/usr/lib',
  ].map((directory) => join(directory, 'ossl-modules'));
}

/**
 * Looks for the TPM. What OpenSSL loads runs as the agent, so only what is root's alone counts, and no search path.
 * @throws AgentError that says what is missing.
 */
export async function findTpm(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<Tpm> {
  // The variable of the TPM software stack for this provider, which follows it.
  const named = environment['TPM2OPENSSL_TCTI'];
  if (named === undefined && !isUsable(device)) throw new AgentError(2, 'tpm-missing', { device });
  for (const modules of moduleDirectories()) {
    const isOurs = await isTrusted(join(modules, provider));
    if (isOurs && (await isTrusted(opensslProgram)))
      return { transport: named ?? `device:${device}`, modules };
  }
  throw new AgentError(2, 'tpm-provider-missing');
}

function isUsable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

const isTrusted = (path: string): Promise<boolean> =>
  checkTrusted(path).then(
    () => true,
    () => false,
  );
