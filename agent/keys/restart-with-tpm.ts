import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { isSea } from 'node:sea';
import { AgentError } from '../agent-error.ts';
import { writeFilesAtomically } from '../state/atomic-file.ts';
import { becomeOwner } from '../state/become-owner.ts';
import { readOwnedFile } from '../state/owned-file.ts';
import type { StatePaths } from '../state/state-directory.ts';
import { findTpm } from './find-tpm.ts';
import type { Tpm } from './find-tpm.ts';
import { isTpmKey } from './tpm-key.ts';

/** Beginning of the directory of its own that root makes for the time of one start. */
const rootsOwn = join(tmpdir(), 'postern-openssl-');

/** Of OpenSSL in Node, which reads the section `nodejs_conf`, once, when it starts. */
const opensslSettings = ({
  modules,
  transport,
}: Tpm): string => `# Written by postern-agent: how its OpenSSL reaches the TPM.
nodejs_conf = of_postern
[of_postern]
providers = all_providers
[all_providers]
default = of_default
tpm2 = of_tpm2
[of_default]
activate = 1
[of_tpm2]
module = ${modules}/tpm2.so
tcti = ${transport}
activate = 1
`;

/**
 * Where the key is in a TPM, replaces this process by itself with an OpenSSL that can use it: providers are chosen before
 * any of our code runs. The same pid, arguments and streams, so whoever started it notices nothing. Returns where there
 * is nothing to do, or that was done.
 * @param asRootAgain for a command that has to be root later: what the owner of the state directory wrote is then not
 *   read by OpenSSL, which would run what it names.
 * @throws AgentError
 */
export async function restartWithTpm(paths: StatePaths, asRootAgain?: () => void): Promise<void> {
  const key = readOwnedFile(paths.key, 'secret');
  if (key === undefined || !isTpmKey(key)) return;
  const inUse = process.env['OPENSSL_CONF'] ?? '';
  if (inUse.startsWith(rootsOwn)) {
    asRootAgain?.();
    return rmSync(dirname(inUse), { recursive: true, force: true });
  }
  if (inUse === resolve(paths.openssl)) return;
  if (asRootAgain === undefined) becomeOwner();
  else asRootAgain();
  const content = opensslSettings(await findOwn());
  const isRoot = asRootAgain !== undefined && process.geteuid?.() === 0;
  const file = isRoot ? join(mkdtempSync(rootsOwn), 'openssl.cnf') : resolve(paths.openssl);
  if (isRoot || readOwnedFile(file, 'public') !== content) writeFilesAtomically([{ path: file, content }]);
  // The stack would write each refusal of the TPM to standard error, beside what we say of it.
  startAnew({ TSS2_LOG: 'all+none', ...process.env, OPENSSL_CONF: file });
}

/** At the start of a machine its TPM may come after the agent: unlike at enrollment, one that is missing may be waited for. */
const findOwn = (): Promise<Tpm> =>
  findTpm().catch((error: unknown) => {
    if (!(error instanceof AgentError) || error.key !== 'tpm-missing') throw error;
    throw new AgentError(1, 'tpm-unreachable', { reason: String(error.values['device']) }, error);
  });

/** Replaces this process by the same command, with the environment that is given: execve(2), of which Linux is sure. */
export function startAnew(environment: NodeJS.ProcessEnv): void {
  const own = isSea() ? [] : process.execArgv;
  const args = process.argv.slice(isSea() ? 2 : 1);
  process.execve?.(process.execPath, [process.execPath, ...own, ...args], environment);
}
