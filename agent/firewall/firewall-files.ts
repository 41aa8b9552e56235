import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { Type } from 'typebox';
import type { Static } from 'typebox';
import { Value } from 'typebox/value';
import { AgentError } from '../agent-error.ts';
import { writeFilesAtomically } from '../state/atomic-file.ts';
import { readOwnedFile } from '../state/owned-file.ts';
import { parseSettings } from '../state/settings-file.ts';
import { statePaths } from '../state/state-directory.ts';

/** Whom the helper believes and where the agent lays what it carries: written by root, when root adopts an enrollment. */
export const FirewallTrust = Type.Object(
  {
    /** PEM of the root that the laptop pinned. */
    authorityPem: Type.String(),
    domain: Type.String(),
    device: Type.String(),
    /** Origin of the control plane, which may always be reached. */
    control: Type.String(),
    policyFile: Type.String(),
  },
  { additionalProperties: false },
);
export type FirewallTrust = Static<typeof FirewallTrust>;

/** Where the helper keeps what it believes and what it was last told; for root alone. */
export const defaultFirewallDirectory = '/var/lib/postern-agent-firewall';

export interface FirewallFiles {
  /** Undefined where no enrollment was adopted, or it was left. */
  trust(): FirewallTrust | undefined;
  /** The last policy that was verified, as it was signed: what holds after a restart, before anybody can be asked. */
  kept(): string | undefined;
  keep(signed: string): void;
  /** What the agent laid down: of anybody's making, and to be verified. */
  carried(trust: FirewallTrust): string | undefined;
  adopt(trust: FirewallTrust): void;
  forget(): void;
}

const maxBytes = 262_144;

/** A plain file of a directory that is not ours, without following a link or waiting on a pipe. */
export function readUntrustedFile(path: string): string | undefined {
  let handle;
  try {
    handle = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  try {
    const found = fstatSync(handle);
    return found.isFile() && found.size <= maxBytes ? readFileSync(handle, 'utf8') : undefined;
  } finally {
    closeSync(handle);
  }
}

export function openFirewallFiles(directory: string): FirewallFiles {
  const trustFile = join(directory, 'trust.json');
  const keptFile = join(directory, 'policy.jws');
  return {
    trust: () => {
      const text = readOwnedFile(trustFile, 'secret');
      if (text === undefined) return undefined;
      const value: unknown = JSON.parse(text);
      return Value.Check(FirewallTrust, value) ? value : undefined;
    },
    kept: () => readOwnedFile(keptFile, 'secret'),
    keep: (signed) => writeFilesAtomically([{ path: keptFile, content: signed }]),
    carried: ({ policyFile }) => readUntrustedFile(policyFile),
    adopt: (trust) => {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      if ((statSync(directory).mode & 0o022) !== 0)
        throw new AgentError(2, 'state-writable-by-others', { directory });
      // What another enrollment was told is nothing to this one.
      rmSync(keptFile, { force: true });
      writeFilesAtomically([{ path: trustFile, content: `${JSON.stringify(trust)}\n` }]);
    },
    forget: () => {
      // The trust first: a helper that looks in between has nothing to believe.
      for (const path of [trustFile, keptFile]) rmSync(path, { force: true });
    },
  };
}

/** Who enrolled in a state directory, for the helper to believe. @throws AgentError where there is no enrollment. */
export function readEnrollment(stateDirectory: string): FirewallTrust {
  const paths = statePaths(stateDirectory);
  if (!existsSync(stateDirectory)) throw new AgentError(2, 'not-enrolled', { directory: stateDirectory });
  const settings = readUntrustedFile(paths.settings);
  const authorityPem = readUntrustedFile(paths.authority);
  if (settings === undefined || authorityPem === undefined)
    throw new AgentError(2, 'not-enrolled', { directory: stateDirectory });
  const { control, device, domain } = parseSettings(paths.settings, settings);
  return { authorityPem, domain, device, control, policyFile: paths.firewall };
}
