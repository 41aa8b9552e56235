import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { parseDocument } from 'yaml';
import { makeInstallation } from '../control/installation.ts';
import type { Installation } from '../control/installation.ts';
import { linesIn } from '../lab/flow-records.ts';
import { eventually } from '../flow/shipper/shipping.ts';
import { runPostern } from './run-postern.ts';

// Each test starts several processes, and a busy machine takes its time.
vi.setConfig({ testTimeout: 90_000 });

const program = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

let made: Installation;
let server: ChildProcess | undefined;
beforeEach(async () => {
  made = await makeInstallation();
});
afterEach(async () => {
  if (server !== undefined && server.exitCode === null && server.signalCode === null) {
    server.kill('SIGKILL');
    await once(server, 'exit');
  }
  server = undefined;
  await made.remove();
});

async function configure(sinks: readonly object[], fixPort?: number): Promise<void> {
  const document = parseDocument(await readFile(made.configFile, 'utf8'));
  document.set('sinks', document.createNode(sinks));
  if (fixPort !== undefined) document.setIn(['operator', 'port'], fixPort);
  await writeFile(made.configFile, String(document));
}
const file = (name: string, more: object = {}): object => ({
  name,
  type: 'file',
  from: 'beginning',
  format: 'ocsf',
  path: join(made.directory, `${name}.jsonl`),
  rotateMegabytes: 100,
  ...more,
});

async function serve(): Promise<{ portOf: (what: string) => number }> {
  server = spawn(process.execPath, [program, 'serve', '--config', made.configFile, '--workers', '1'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  if (server.stdout === null) throw new TypeError('no output');
  const [line] = (await once(createInterface({ input: server.stdout }), 'line')) as [string];
  return { portOf: (what) => Number(new RegExp(`${what}=\\S+?:(\\d+)(?: |$)`).exec(line)?.[1]) };
}

/** Without a certificate: one refused handshake is one record. */
async function knock(port: number): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port, ca: made.rootPem, servername: 'gateway.example.org' });
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.once('close', resolve));
}

const recordsOf = (name: string): readonly object[] => {
  try {
    return readFileSync(join(made.directory, `${name}.jsonl`), 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as object);
  } catch {
    return [];
  }
};

const classesOf = (name: string): unknown[] =>
  recordsOf(name).map((record) => ('class_uid' in record ? record.class_uid : undefined));

/** The process that delivers, a child of the server. */
function shipperPid(): number | undefined {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const parent = /^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      if (Number(parent) === server?.pid && words.includes('flow/shipper/main')) return Number(pid);
    } catch {
      // Ended while one looked.
    }
  }
  return undefined;
}

it('delivers nothing for a second server that cannot start beside the first', async () => {
  await configure([file('all')]);
  const { portOf } = await serve();
  await knock(portOf('gateway'));
  await eventually(() => recordsOf('all').length >= 1);
  await configure([file('all'), file('more')]);
  const second = await runPostern(['serve', '--config', made.configFile, '--workers', '1']);
  expect(second).toMatchObject({
    code: 2,
    err: expect.stringContaining('run one `postern serve` on a data directory') as string,
  });
  expect(recordsOf('more')).toEqual([]);
  expect(readdirSync(join(made.data, 'sinks'))).not.toContain('more.cursor');
  server?.kill('SIGTERM');
  if (server !== undefined) await once(server, 'exit');
});

it('delivers what a served gateway records, says how it goes, and comes back when it is killed', async () => {
  await configure([file('all'), file('nobody', { path: join(made.directory, 'missing/records.jsonl') })]);
  const { portOf } = await serve();
  await knock(portOf('gateway'));
  await eventually(() => recordsOf('all').length >= 1);
  const operator = `http://127.0.0.1:${portOf('operator')}`;
  interface Health {
    readonly delivered: number;
    readonly lagSeconds: number;
    readonly problem?: string;
  }
  const readyz = async (): Promise<{ ready: boolean; sinks?: readonly Health[] }> =>
    (await (await fetch(`${operator}/readyz`)).json()) as { ready: boolean };
  // What a sink says of itself is of a moment, which may be one in which it was delivering.
  await eventually(async () => {
    const [all] = (await readyz()).sinks ?? [];
    return all?.delivered === recordsOf('all').length && all.lagSeconds === 0;
  });
  expect(await readyz()).toMatchObject({
    ready: true,
    sinks: [
      { name: 'all', type: 'file', lagRecords: 0, lagSeconds: 0, refused: 0 },
      { name: 'nobody', problem: expect.stringContaining('ENOENT') as string, delivered: 0 },
    ],
  });
  expect(await (await fetch(`${operator}/metrics`)).text()).toMatch(
    /^postern_sink_failing\{sink="nobody",type="file"\} 1$/m,
  );

  const before = shipperPid();
  expect(before).toBeDefined();
  process.kill(before ?? 0, 'SIGKILL');
  await eventually(() => shipperPid() !== undefined && shipperPid() !== before);
  const delivered = recordsOf('all').length;
  await knock(portOf('gateway'));
  await eventually(() => recordsOf('all').length > delivered);
  expect(classesOf('all')).toContain(3002);
  // Who reads what is delivered too.
  expect((await made.api(portOf('control'), 'GET', '/v1/devices')).status).toBe(200);
  await eventually(() => classesOf('all').includes(6003));
  expect((await fetch(`${operator}/healthz`)).status).toBe(200);

  await eventually(async () => (await readyz()).sinks?.[1]?.problem !== undefined);
  await configure([file('all'), file('nobody')], portOf('operator'));
  const { out } = await runPostern(['doctor', '--config', made.configFile]);
  expect(out).toMatch(/^error +sinks +nobody does not deliver, \d+ records behind: .*ENOENT/m);

  const exit = once(server ?? process, 'exit');
  await knock(portOf('gateway'));
  server?.kill('SIGTERM');
  expect(await exit).toEqual([0, null]);
  // What was recorded last was delivered before the end.
  const lines = ['flows', 'access'].flatMap((directory) => linesIn(join(made.data, directory)));
  expect(new Set(recordsOf('all').map((record) => JSON.stringify(record)))).toEqual(
    new Set(lines.map((line) => JSON.stringify(JSON.parse(line)))),
  );
});

it('does not start with a sink whose files cannot be used, and doctor says the same', async () => {
  const syslog = {
    name: 'soc',
    type: 'syslog',
    from: 'now',
    format: 'ocsf',
    host: 'siem.example.org',
    port: 6514,
  };
  await configure([{ ...syslog, facility: 'local0', resendSeconds: 5, tls: { caFile: 'nowhere.pem' } }]);
  const served = await runPostern(['serve', '--config', made.configFile]);
  expect(served.code).toBe(2);
  expect(served.err).toContain(`sink soc: ${join(made.data, 'nowhere.pem')} cannot be read (ENOENT)`);
  const { code, out } = await runPostern(['doctor', '--config', made.configFile]);
  expect(code).toBe(1);
  expect(out).toMatch(/^error +sinks +sink soc: .*nowhere\.pem cannot be read/m);
});
