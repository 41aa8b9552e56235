import { chmod, chown, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { App } from '../../src/domain/resources.ts';
import { scannerCheck } from '../../src/doctor/checks/scanner.ts';
import { append } from '../backup/backup-lab.ts';
import { makeInstallation } from '../control/installation.ts';
import type { Installation } from '../control/installation.ts';
import { startTcpService } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { app } from '../lab/resources.ts';
import { networkPut } from '../ledger/samples.ts';
import { find, inShort, set } from './doctor-lab.ts';

let made: Installation;
let scanner: LabServer;
let answer: string;
beforeEach(async () => {
  made = await makeInstallation();
  scanner = await startTcpService((socket) => {
    socket.once('data', () => socket.end(answer));
  });
});
afterEach(async () => {
  scanner.close();
  await made.remove();
});

const put = (name: string, more: Partial<App> = {}): Promise<unknown> =>
  append(made, networkPut('finance'), {
    type: 'resource-put',
    resource: app({ name, host: `${name}.apps.example.org`, inspect: ['malware'], ...more }),
  });
const name = (scannerName: object): Promise<void> =>
  set(made, ['inspection', 'malware'], {
    timeoutMs: 1000,
    maxHeldBytes: 65_536,
    maxScans: 4,
    ...scannerName,
  });
const version = (days: number): string =>
  `ClamAV 1.4.6/27001/${new Date(Date.now() - days * 86_400_000).toUTCString().replace(',', '')}\0`;

it('a scanner is missed only where an application asks for one, and most where nothing passes without', async () => {
  expect(await find(scannerCheck, made)).toEqual([{ level: 'ok', what: 'no application asks for one' }]);
  await put('strict');
  await put('lenient', { malware: { whenUnavailable: 'pass' } });
  const missed = [
    'error: no scanner: contents to and from these applications are refused: strict',
    'warning: no scanner: contents pass unscanned to and from these applications: lenient',
  ];
  const [unnamed] = await find(scannerCheck, made);
  expect(unnamed?.how).toContain('inspection.malware');
  await name({ clamd: `127.0.0.1:${scanner.port}` });
  answer = '220 mail.example.org ESMTP\r\n';
  expect(inShort(await find(scannerCheck, made))).toEqual(missed);
  await name({ clamd: '/nowhere/clamd.ctl' });
  const away = await find(scannerCheck, made);
  expect([inShort(away), away[0]?.how]).toEqual([
    missed,
    expect.stringContaining('/nowhere/clamd.ctl does not answer (ENOENT)'),
  ]);
  await name({ icap: `icap://127.0.0.1:${scanner.port}/scan` });
  answer = 'ICAP/1.0 404 Not Found\r\n\r\n';
  expect(inShort(await find(scannerCheck, made))).toEqual(missed);
});

it('signatures that are old are told, and those of which nobody knows', async () => {
  await put('strict');
  await name({ clamd: `127.0.0.1:${scanner.port}` });
  answer = version(1);
  expect(inShort(await find(scannerCheck, made))).toEqual([
    'ok: ClamAV 1.4.6 answers, with signatures number 27001, for 1 applications',
  ]);
  answer = version(4.5);
  expect(inShort(await find(scannerCheck, made))).toEqual([
    'warning: signatures of ClamAV 1.4.6 are 4 days old (number 27001): what is newer is not found',
  ]);
  answer = 'ClamAV 1.4.6\0';
  expect(inShort(await find(scannerCheck, made))[0]).toMatch(
    /^hint: ClamAV 1.4.6 has only signatures of its own/,
  );
  await name({ icap: `icap://127.0.0.1:${scanner.port}/scan` });
  answer = 'ICAP/1.0 200 OK\r\nISTag: "1"\r\nEncapsulated: null-body=0\r\n\r\n';
  expect(inShort(await find(scannerCheck, made))[0]).toMatch(/^ok: icap:\/\/127.0.0.1:.* answers/);
});

it('a socket that workers may not open is told, whoever asks, and one that they may is not', async () => {
  await put('strict');
  const directory = await mkdtemp(join(tmpdir(), 'postern-scanner-'));
  const path = join(directory, 'clamd.ctl');
  const server = createServer((socket) => void socket.once('data', () => socket.end(version(1))));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  await name({ clamd: path });
  // Root's own is none that workers may have.
  const own = process.getgid?.() ?? 0;
  const gid = own === 0 ? 54_322 : own;
  if (own === 0) await chown(path, 0, gid);
  const look = async (runAs: object, mode: number): Promise<string> => {
    await set(made, ['runAs'], runAs);
    await chmod(path, mode);
    const [found] = await find(scannerCheck, made);
    return `${found?.level} ${found?.how ?? ''}`;
  };
  const stranger = { uid: 54_321, gid: 54_321 };
  const barred = expect.stringMatching(/^error workers \(runAs: user 54321, group \d+, .* may not open/);
  // Whoever may not enter the directory may not open what is in it.
  expect(await look(stranger, 0o666)).toEqual(barred);
  await chmod(directory, 0o755);
  expect(await look(stranger, 0o666)).toBe('ok ');
  expect(await look(stranger, 0o660)).toEqual(barred);
  expect(await look({ ...stranger, gid }, 0o660)).toBe('ok ');
  expect(await look({ ...stranger, gid }, 0o646)).toEqual(barred);
  server.close();
  await rm(directory, { recursive: true });
});
