import { existsSync, lstatSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { AgentError } from '../agent-error.ts';
import { stateUnwritable } from './atomic-file.ts';

/** Where things lie in the state directory. What is not in this table is not ours and is left alone. */
export interface StatePaths {
  readonly directory: string;
  readonly key: string;
  /** Leaf first, then the device authority. */
  readonly certificate: string;
  /** Root of the gateway's, the control plane's and the applications' certificates. */
  readonly authority: string;
  readonly settings: string;
  /** Last configuration and session token, so that a restart does not need the control plane. */
  readonly cache: string;
  /** What the control plane sealed of the user's sign-in. */
  readonly signIn: string;
  /** Loopback addresses of applications. */
  readonly addresses: string;
  /** The firewall as the control plane signed it, for the helper that runs as root. */
  readonly firewall: string;
  /** Which names the helper has to lead to the agent's resolver. */
  readonly names: string;
  /** How OpenSSL reaches the TPM, where the key is in one. */
  readonly openssl: string;
  readonly lock: string;
}

export function statePaths(directory: string): StatePaths {
  return {
    directory,
    key: join(directory, 'device.key'),
    certificate: join(directory, 'device.crt'),
    authority: join(directory, 'ca.crt'),
    settings: join(directory, 'agent.yaml'),
    cache: join(directory, 'session.json'),
    signIn: join(directory, 'sign-in.json'),
    addresses: join(directory, 'addresses.json'),
    firewall: join(directory, 'firewall.jws'),
    names: join(directory, 'names.json'),
    openssl: join(directory, 'openssl.cnf'),
    lock: join(directory, 'agent.lock'),
  };
}

/** Where the agent that runs as a service keeps its state: what the definitions in deploy/agent say. */
export const serviceStateDirectory =
  process.platform === 'win32'
    ? 'C:\\ProgramData\\Postern\\state'
    : process.platform === 'darwin'
      ? '/var/db/postern-agent'
      : '/var/lib/postern-agent';

/** Of whoever asks; of root, the service's, where one is installed. */
export function defaultStateDirectory(
  environment: Readonly<Record<string, string | undefined>>,
  isRoot = process.geteuid?.() === 0,
  ofService = serviceStateDirectory,
): string {
  const named = environment['POSTERN_AGENT_STATE'];
  if (named !== undefined && named !== '') return resolve(named);
  if (isRoot && existsSync(ofService)) return ofService;
  const base = environment['XDG_STATE_HOME'];
  const root = base !== undefined && isAbsolute(base) ? base : join(homedir(), '.local', 'state');
  return join(root, 'postern-agent');
}

const writableByOthers = 0o022;

/**
 * Refuses a state directory that anyone else can write to: they could swap the authority that the agent trusts
 * (CVE-2020-24356, CVE-2024-54131). Not through a symbolic link either, which whoever owns it could turn.
 */
export function checkStateDirectory(directory: string): StatePaths {
  let found;
  try {
    found = lstatSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new AgentError(2, 'not-enrolled', { directory });
    throw new AgentError(2, 'state-unreadable', { directory }, error);
  }
  if (!found.isDirectory()) throw new AgentError(2, 'state-not-directory', { directory });
  const self = process.geteuid?.();
  if (self !== undefined) {
    if (found.uid !== self) throw new AgentError(2, 'state-not-ours', { directory });
    if ((found.mode & writableByOthers) !== 0)
      throw new AgentError(2, 'state-writable-by-others', { directory });
  }
  return statePaths(directory);
}

/** Makes the directory, readable by its owner alone, where there is none; then checks it like any other. */
export function createStateDirectory(directory: string): StatePaths {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw stateUnwritable(directory, error);
  }
  return checkStateDirectory(directory);
}
