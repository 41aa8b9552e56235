import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const programs = ['/usr/bin/swtpm', '/usr/bin/tpm2_flushcontext', '/usr/bin/openssl'];
const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
const moduleIn = (root: string): string => `${root}/lib/${machine}-linux-gnu/ossl-modules/tpm2.so`;

function hasProvider(): boolean {
  if (existsSync(moduleIn('/usr/local'))) return true;
  if (!existsSync(moduleIn('/usr'))) return false;
  const version = execFileSync('dpkg-query', ['-Wf', '${Version}', 'tpm2-openssl'], { encoding: 'utf8' });
  try {
    execFileSync('dpkg', ['--compare-versions', version, 'ge', '1.2']);
    return true;
  } catch {
    return false;
  }
}

/** Why a TPM cannot be tried here, with what to do about it; empty where it can. */
export function tpmMissing(): string {
  return programs.every((path) => existsSync(path)) && hasProvider() ? '' : '.ci/tpm installs it';
}

/** A TPM 2.0 in software. Like a real one it keeps its seeds when it is switched off, and forgets what was loaded. */
export interface LabTpm {
  /** How the TPM software stack is told of it. */
  readonly environment: Readonly<Record<string, string>>;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Frees what ended processes left loaded, as the kernel's resource manager does for a real one. */
  flush(): void;
  remove(): Promise<void>;
}

export async function startTpm(): Promise<LabTpm> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-tpm-'));
  const socket = join(directory, 'socket');
  const transport = `swtpm:path=${socket}`;
  let child: ChildProcess | undefined;
  const isOn = (): boolean => child !== undefined && child.exitCode === null && child.signalCode === null;
  const flush = (): void => {
    if (!isOn()) return;
    execFileSync('/usr/bin/tpm2_flushcontext', ['--transient-object'], {
      env: { TPM2TOOLS_TCTI: transport },
      stdio: 'pipe',
    });
  };
  const tpm: LabTpm = {
    environment: { TPM2OPENSSL_TCTI: transport },
    flush,
    start: async () => {
      const started = spawn(
        '/usr/bin/swtpm',
        [
          'socket',
          '--tpm2',
          ...['--tpmstate', `dir=${directory}`],
          ...['--server', `type=unixio,path=${socket}`],
          ...['--ctrl', `type=unixio,path=${socket}.ctrl`],
          ...['--flags', 'not-need-init,startup-clear'],
        ],
        { stdio: 'ignore' },
      );
      child = started;
      for (;;) {
        if (started.exitCode !== null) throw new Error(`swtpm ended with ${started.exitCode}`);
        if (existsSync(socket)) break;
        await pause(10);
      }
      flush();
    },
    stop: async () => {
      if (!isOn() || child === undefined) return;
      const exited = once(child, 'exit');
      child.kill();
      await exited;
    },
    remove: async () => {
      await tpm.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
  await tpm.start();
  return tpm;
}
