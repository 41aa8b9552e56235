import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { userInfo } from 'node:os';
import { freePort, waitForPort } from '../support/ports.ts';
import { findProgram, run, start } from '../support/processes.ts';
import type { Started } from '../support/processes.ts';

/**
 * `ssh -L` to a port of this machine, through a server with keys of its own; undefined where OpenSSH's server is missing.
 * Ciphers are what the two agree on, without compression, as it comes.
 */
export async function startSshTunnel(
  directory: string,
  port: number,
): Promise<{ readonly port: number; stop(): Promise<void> } | undefined> {
  const [sshd, ssh, keygen] = ['sshd', 'ssh', 'ssh-keygen'].map(findProgram);
  if (sshd === undefined || ssh === undefined || keygen === undefined) return undefined;
  const at = (name: string): string => join(directory, name);
  for (const name of ['host', 'user']) await run([keygen, '-q', '-t', 'ed25519', '-N', '', '-f', at(name)]);
  // Where root's sshd drops its rights in; Debian's unit makes it at boot.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const [serverPort, localPort] = [await freePort(), await freePort()];
  writeFileSync(
    at('sshd_config'),
    [
      `ListenAddress 127.0.0.1:${serverPort}`,
      `HostKey ${at('host')}`,
      `AuthorizedKeysFile ${at('user.pub')}`,
      'PidFile none',
      'StrictModes no',
      'UsePAM no',
      'PermitRootLogin prohibit-password',
      'PasswordAuthentication no',
      '',
    ].join('\n'),
  );
  const server = await start('all', [sshd, '-D', '-e', '-f', at('sshd_config')], { port: serverPort });
  let client: Started;
  try {
    client = await start('all', [
      ssh,
      '-N',
      '-F',
      'none',
      '-i',
      at('user'),
      ...[
        'StrictHostKeyChecking=no',
        'UserKnownHostsFile=/dev/null',
        'BatchMode=yes',
        'LogLevel=ERROR',
      ].flatMap((option) => ['-o', option]),
      '-L',
      `127.0.0.1:${localPort}:127.0.0.1:${port}`,
      '-p',
      String(serverPort),
      `${userInfo().username}@127.0.0.1`,
    ]);
    await waitForPort(localPort);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return {
    port: localPort,
    stop: async () => {
      await client.stop();
      await server.stop();
    },
  };
}
