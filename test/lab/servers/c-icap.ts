import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findFreePort } from '../../../src/control/free-port.ts';
import { keepServer } from './kept-server.ts';
import type { KeptServer } from './kept-server.ts';
import type { LabClamd } from './clamd.ts';
import { spawnWithUs } from '../spawn-with-us.ts';

const cIcap = '/usr/bin/c-icap';
const modules = '/usr/lib/x86_64-linux-gnu/c_icap';

/** What to install where something is missing; empty where all is there. */
export const cIcapMissing =
  existsSync(cIcap) && existsSync(`${modules}/virus_scan.so`)
    ? ''
    : ' (skipped: apt-get install c-icap libc-icap-mod-virus-scan)';

export interface LabIcap extends KeptServer {
  readonly port: number;
  /** Scans with the clamd. */
  readonly scanUrl: string;
  /** Hands everything back. */
  readonly echoUrl: string;
  remove(): Promise<void>;
}

export async function startCIcap(
  clamd: LabClamd,
  settings: Readonly<Record<string, string>> = {},
): Promise<LabIcap> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-icap-'));
  const port = await findFreePort('127.0.0.1');
  const lines = {
    PidFile: join(directory, 'pid'),
    CommandsSocket: join(directory, 'ctl'),
    Port: `127.0.0.1:${port}`,
    TmpDir: directory,
    ServerLog: join(directory, 'server.log'),
    ModulesDir: modules,
    ServicesDir: modules,
    TemplateDir: '/usr/share/c_icap/templates/',
    LoadMagicFile: '/etc/c-icap/c-icap.magic',
    StartServers: '1',
    MaxServers: '1',
    ThreadsPerChild: '10',
    MinSpareThreads: '2',
    MaxSpareThreads: '10',
    Module: 'common clamd_mod.so',
    'clamd_mod.ClamdSocket': clamd.path,
    'virus_scan.DefaultEngine': 'clamd',
    'virus_scan.ScanFileTypes': 'TEXT DATA EXECUTABLE ARCHIVE GIF JPEG MSOFFICE UNKNOWN',
    'virus_scan.SendPercentData': '0',
    'virus_scan.StartSendPercentDataAfter': '1000M',
    'virus_scan.MaxObjectSize': '1000M',
    ...settings,
  };
  const config = join(directory, 'c-icap.conf');
  const services = 'Service virus virus_scan.so\nService echo srv_echo.so\n';
  const { Module: module, ...others } = lines;
  const text = (from: object): string =>
    Object.entries(from)
      .map(([name, value]) => `${name} ${String(value)}\n`)
      .join('');
  // What a module is told comes behind it.
  const [before, after] = [
    Object.fromEntries(Object.entries(others).filter(([name]) => !name.includes('.'))),
    Object.fromEntries(Object.entries(others).filter(([name]) => name.includes('.'))),
  ];
  await writeFile(config, `${text(before)}${services}Module ${module}\n${text(after)}`);
  let pid: number | undefined;
  const server = keepServer(port, () => {
    const child = spawnWithUs(cIcap, ['-N', '-f', config], {
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
    ({ pid } = child);
    return child;
  });
  await server.start();
  const kill = async (): Promise<void> => {
    // It answers in a process of its own, which would go on for a while.
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
    pid = undefined;
    await server.kill();
  };
  return {
    ...server,
    kill,
    port,
    scanUrl: `icap://127.0.0.1:${port}/virus`,
    echoUrl: `icap://127.0.0.1:${port}/echo`,
    async remove() {
      await kill();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
