import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findFreePort } from '../../../src/control/free-port.ts';
import { keepServer } from './kept-server.ts';
import type { KeptServer } from './kept-server.ts';
import { spawnWithUs } from '../spawn-with-us.ts';

const clamd = '/usr/sbin/clamd';

/** What to install where it is missing; empty where it is there. */
export const clamdMissing = existsSync(clamd) ? '' : ' (skipped: apt-get install clamav-daemon)';

/** What one of our signatures finds, and how clamd names it: what is not from its makers it says so of. */
export const infection = Buffer.from('POSTERN-MALWARE-TEST-SIGNATURE');
export const signature = 'Postern.Test.Signature.UNOFFICIAL';

/** And what it finds by its length and hash, as it does most of what it knows. */
export const knownByHash = Buffer.from('All of this, and nothing else, is malware.\n'.repeat(99));
export const hashSignature = 'Postern.Test.Hash.UNOFFICIAL';

export interface LabClamd extends KeptServer {
  readonly port: number;
  /** Its socket on this machine. */
  readonly path: string;
  remove(): Promise<void>;
}

/** A clamd with two signatures of its own, and none from anywhere else. */
export async function startClamd(settings: Readonly<Record<string, string>> = {}): Promise<LabClamd> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-clamd-'));
  const port = await findFreePort('127.0.0.1');
  const path = join(directory, 'clamd.ctl');
  await writeFile(join(directory, 'lab.ndb'), `Postern.Test.Signature:0:*:${infection.toString('hex')}\n`);
  const sha256 = createHash('sha256').update(knownByHash).digest('hex');
  await writeFile(join(directory, 'lab.hsb'), `${sha256}:${knownByHash.length}:Postern.Test.Hash:73\n`);
  const lines = {
    DatabaseDirectory: directory,
    TemporaryDirectory: directory,
    TCPAddr: '127.0.0.1',
    TCPSocket: String(port),
    LocalSocket: path,
    Foreground: 'yes',
    AlertExceedsMax: 'yes',
    ...settings,
  };
  const config = join(directory, 'clamd.conf');
  await writeFile(
    config,
    Object.entries(lines)
      .map(([name, value]) => `${name} ${value}\n`)
      .join(''),
  );
  const server = keepServer(port, () =>
    spawnWithUs(clamd, ['-c', config], { stdio: ['ignore', 'pipe', 'inherit'] }),
  );
  await server.start();
  return {
    ...server,
    port,
    path,
    async remove() {
      await server.kill();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
