import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { verifyFlows } from '../../src/flow/verify/verify-flows.ts';
import { recordsIn } from '../lab/flow-records.ts';
import { makeFlowDirectory } from './flow-directory.ts';

const child = fileURLToPath(new URL('./writing-child.ts', import.meta.url));
const run = promisify(execFile);

const hasPrlimit = spawnSync('prlimit', ['--version']).status === 0;
const hint = hasPrlimit ? '' : ' (skipped: apt-get install util-linux)';

interface Message {
  readonly written?: string;
  readonly failed?: string;
  readonly healthy?: boolean;
}

test.skipIf(!hasPrlimit)(
  `a worker that cannot write says so, tells nobody that it wrote, and goes on without a gap when it can${hint}`,
  async () => {
    const directory = makeFlowDirectory();
    // The kernel refuses to let a file of this process grow beyond 100 KiB: a real write that really fails.
    const worker = spawn('prlimit', ['--fsize=102400:', process.execPath, child, directory], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const told: string[] = [];
    const waiters = new Set<(message: Message) => void>();
    worker.on('message', (message: Message) => {
      if (message.written !== undefined) told.push(message.written);
      for (const waiter of waiters) waiter(message);
    });
    const waitFor = (matches: (message: Message) => boolean): Promise<void> =>
      new Promise((resolve) => {
        const waiter = (message: Message): void => {
          if (!matches(message)) return;
          waiters.delete(waiter);
          resolve();
        };
        waiters.add(waiter);
      });

    await waitFor(({ failed }) => failed?.includes('EFBIG') === true);
    const toldBefore = told.length;
    const recorded = new Set(recordsIn(directory).map(({ unmapped }) => unmapped.postern['flow'] as string));
    expect(told.filter((id) => !recorded.has(id))).toEqual([]);
    expect(recorded.size).toBeGreaterThan(10);

    await run('prlimit', ['--fsize=unlimited:', '--pid', String(worker.pid)]);
    await waitFor(({ healthy }) => healthy === true);
    await waitFor(({ written }) => written !== undefined && told.length > toldBefore + 100);
    worker.kill('SIGKILL');
    await once(worker, 'close');

    const report = await verifyFlows(directory);
    expect(report.problems).toEqual([]);
    expect(report.streams.map(({ lost }) => lost)).toEqual([0]);
    const all = new Set(recordsIn(directory).map(({ unmapped }) => unmapped.postern['flow'] as string));
    expect(told.filter((id) => !all.has(id))).toEqual([]);
  },
);
