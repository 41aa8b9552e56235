import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from 'vitest';
import type { Settings } from '../../src/contract/settings.ts';
import { openCursorFile } from '../../src/flow/shipper/cursor-file.ts';
import { superviseServer } from '../../src/supervisor/supervise-server.ts';
import type { SuperviseOptions } from '../../src/supervisor/supervise-server.ts';
import { fileSink } from '../flow/shipper/shipping.ts';
import { createHub } from './hub.ts';
import type { Hub } from './hub.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** Only what the supervisor looks at. */
const settingsOf = (more: Partial<Settings> = {}): Settings =>
  ({
    domain: 'example.org',
    gateway: { name: 'gateway.example.org', listen: '127.0.0.1', port: 0, workers: 1 },
    log: { level: 'error' },
    limits: { dialTimeoutMs: 5000, drainTimeoutMs: 10_000 },
    ...more,
  }) as Settings;
const optionsOf = (hub: Hub, more: Partial<Settings> = {}) => ({
  configFile: '/nowhere/postern.yaml',
  settings: settingsOf(more),
  flowDirectory: join(hub.directory, 'flows'),
  accessDirectory: join(hub.directory, 'access'),
  sinkDirectory: join(hub.directory, 'sinks'),
  accessSinkDirectory: join(hub.directory, 'access-sinks'),
  archiveDirectory: join(hub.directory, 'archive'),
  sinks: [],
  role: 'all' as const,
  programs: hub.programs,
});

/** A server as a process of its own, with stand-ins for its parts. */
async function serve(prepare: (hub: Hub) => Promise<Partial<SuperviseOptions>> = async () => ({})) {
  const hub = await createHub();
  closing.push(() => hub.close());
  const options = { ...optionsOf(hub), ...(await prepare(hub)) };
  const script = join(import.meta.dirname, 'fixtures/serve.ts');
  const child = spawn(process.execPath, [script, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  closing.push(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const lines = createInterface({ input: child.stdout });
  const line = (text: string): Promise<void> =>
    new Promise((resolve) => {
      lines.on('line', (found) => {
        if (found.includes(text)) resolve();
      });
    });
  return { hub, child, exited, line, control: await hub.peer('control'), worker: await hub.peer('worker') };
}

describe('a served server', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('drains at %s and exits 0', async (signal) => {
    const { child, exited, control, worker } = await serve();
    child.kill(signal);
    await worker.message('drain');
    worker.send({ exit: 0 });
    await control.message('drain');
    control.send({ exit: 0 });
    expect(await exited).toEqual([0, null]);
  });

  it('ends all at once at a second signal', async () => {
    const { child, exited, control, worker } = await serve();
    child.kill('SIGTERM');
    await worker.message('drain');
    child.kill('SIGTERM');
    await Promise.all([worker.ended, control.ended]);
    expect(await exited).toEqual([1, null]);
  });

  it('leaves no process behind when it is killed', async () => {
    const { child, exited, control, worker } = await serve();
    child.kill('SIGKILL');
    await exited;
    await Promise.all([worker.ended, control.ended]);
  });

  it('chooses the port of its workers once, where the settings leave it open', async () => {
    const { control } = await serve();
    const { gatewayPort } = (await control.message('start')) as unknown as { gatewayPort: number };
    expect(gatewayPort).toBeGreaterThan(0);
  });
});

it('goes on with the access log where the process of its own was, once there is none any more', async () => {
  const access = new Map([
    ['worker-0000-1764063000000-boot-1', { segment: 1, offset: 700, sequence: 7, hash: 'a' }],
  ]);
  const cursorIn = (hub: Hub, folder: string) => openCursorFile(join(hub.directory, folder, 'soc.cursor'));
  const { hub } = await serve(async (made) => {
    await mkdir(join(made.directory, 'access-sinks'));
    await cursorIn(made, 'access-sinks').save(access);
    // Where it goes on is what it finds.
    const shipper = join(made.directory, 'shipper.mjs');
    await writeFile(shipper, "process.once('disconnect', () => process.exit(0));");
    return {
      sinks: [{ settings: fileSink(made.directory, { name: 'soc' }) }],
      programs: { ...made.programs, shipper },
    };
  });
  expect(await cursorIn(hub, 'sinks').load()).toEqual(access);
  expect(await cursorIn(hub, 'access-sinks').load()).toBeUndefined();
});

describe('a server that cannot be served', () => {
  const isRoot = process.getuid?.() === 0;
  const quiet = { log: { info() {}, warn() {}, error() {} }, onReady() {} };

  const title = isRoot
    ? 'ends with 2 where the user of its workers cannot get to their records'
    : 'ends with 2 where it may not become the user of its workers';
  it(title, async () => {
    const hub = await createHub();
    closing.push(() => hub.close());
    await chmod(hub.directory, 0o700);
    const options = optionsOf(hub, { runAs: { uid: 64_990, gid: 64_990 } });
    expect(await superviseServer({ ...options, ...quiet })).toEqual({
      code: 2,
      detail: isRoot
        ? `${hub.directory} cannot be entered by user 64990 (runAs), whose flow records go to ${options.flowDirectory}: chmod o+x ${hub.directory}`
        : 'runAs needs a server that is started by root: start it so, or leave runAs out',
    });
  });

  it('ends with 2 where the directory of records cannot be made', async () => {
    const hub = await createHub();
    closing.push(() => hub.close());
    const options = { ...optionsOf(hub), flowDirectory: join(hub.programs.control, 'flows') };
    expect(await superviseServer({ ...options, ...quiet })).toMatchObject({
      code: 2,
      detail: expect.stringContaining('ENOTDIR') as string,
    });
  });
});
