import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { NetworkRegistration } from '../contract/ipc.ts';
import { nobodysHome } from '../contract/nobodys-home.ts';
import type { ResolvedSink } from '../flow/sinks/resolved-sink.ts';
import type { Command } from './child.ts';

/** The programs that a supervisor starts, each a file that Node runs. Tests have their own. */
export interface Programs {
  readonly control: string;
  readonly worker: string;
  readonly connector: string;
  readonly shipper: string;
}

// As this file is: .ts in a checkout, .js where it was compiled.
const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const besides = (path: string): string => fileURLToPath(new URL(`../${path}.${extension}`, import.meta.url));

export const ownPrograms: Programs = {
  control: besides('control/main'),
  worker: besides('gateway/worker'),
  connector: besides('connectors/connector'),
  shipper: besides('flow/shipper/main'),
};

/** User and group that what meets the network runs as. */
export interface RunAs {
  readonly uid: number;
  readonly gid: number;
}

/**
 * What a child that meets the network gets of the environment: no passphrase, no credentials of a cloud, and no
 * NODE_OPTIONS, with which whoever can write one file would run code in it.
 */
const harmlessVariables = ['LANG', 'LC_ALL', 'TZ', 'NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'SSL_CERT_DIR'];

function pickEnvironment(environment: NodeJS.ProcessEnv, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = environment[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** The control process is as trusted as the supervisor; only the passphrase is told to it, and not left lying about. */
export function controlCommand(program: string, environment: NodeJS.ProcessEnv): Command {
  const names = Object.keys(environment).filter(
    (name) => name !== 'POSTERN_PASSPHRASE' && name !== 'NODE_OPTIONS',
  );
  return { file: process.execPath, args: [program], env: pickEnvironment(environment, names) };
}

export function workerCommand(program: string, environment: NodeJS.ProcessEnv, runAs?: RunAs): Command {
  return {
    file: process.execPath,
    // Not under Node's permission model: it disables fdatasync altogether, and flow records could not be made to last.
    args: ['--no-addons', program],
    env: { ...pickEnvironment(environment, harmlessVariables), ...nobodysHome },
    ...runAs,
  };
}

/**
 * What it reads and sends lives for a batch. With the room that Node gives to what is young, 100 MB of it would lie there for
 * nothing whenever it catches up.
 */
const shipperFlags = ['--max-semi-space-size=4'];

/**
 * As the user whose records it reads; what it has to know of files is told to it. Parquet files are written by
 * DuckDB, which is an addon: only where there is a sink of them may it load one.
 */
export function shipperCommand(
  program: string,
  environment: NodeJS.ProcessEnv,
  sinks: readonly ResolvedSink[],
  runAs?: RunAs,
): Command {
  const command = workerCommand(program, environment, runAs);
  const writesParquet = sinks.some(({ settings: { type } }) => type === 'archive' || type === 's3');
  return { ...command, args: [...shipperFlags, ...(writesParquet ? [program] : command.args)] };
}

const placesOfNsenter = ['/usr/bin/nsenter', '/bin/nsenter', '/run/current-system/sw/bin/nsenter'];
const namespaceDirectory = '/run/netns';

/** How to start the connector of a network, or why it cannot be and what to do about it. */
export function connectorCommand(
  program: string,
  { attach, name }: NetworkRegistration,
  environment: NodeJS.ProcessEnv,
  runAs?: RunAs,
): Command | { readonly problem: string } {
  const env = pickEnvironment(environment, ['LANG', 'LC_ALL', 'TZ']);
  const node = [process.execPath, ...connectorFlags(program), program];
  const [file = process.execPath, ...args] = node;
  if ('connector' in attach) {
    return { problem: `network ${name} has a remote connector, which this version cannot use` };
  }
  if (!('netns' in attach)) return { file, args, env, ...runAs };

  const { netns } = attach;
  const path = `${namespaceDirectory}/${netns}`;
  if (netns === '.' || netns === '..') return { problem: `${netns} is not the name of a network namespace` };
  if (!existsSync(path)) {
    return { problem: `there is no network namespace ${netns}: make it with \`ip netns add ${netns}\`` };
  }
  const nsenter = placesOfNsenter.find((place) => existsSync(place));
  if (nsenter === undefined) return { problem: 'nsenter is missing: apt-get install util-linux' };
  // Entering needs privilege, dialling does not: nsenter itself drops it on the way.
  const drop = runAs === undefined ? [] : [`--setgid=${runAs.gid}`, `--setuid=${runAs.uid}`];
  return { file: nsenter, args: [`--net=${path}`, ...drop, '--', ...node], env };
}

/** A connector may use the network and read its own program: no file of this machine, no process of its own. */
function connectorFlags(program: string): string[] {
  const source = fileURLToPath(new URL('..', import.meta.url));
  const packageFile = fileURLToPath(new URL('../../package.json', import.meta.url));
  const readable = [source, packageFile, program].map((path) => `--allow-fs-read=${path}`);
  // `--allow-net` is called experimental in a warning at each start.
  return ['--permission', '--allow-net', ...readable, '--no-addons', '--disable-warning=ExperimentalWarning'];
}
