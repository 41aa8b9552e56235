import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { verifyFlows } from '../../src/flow/verify-flows.ts';
import { recordsIn } from '../lab/flow-records.ts';
import { makeFlowDirectory } from './flow-directory.ts';

const child = fileURLToPath(new URL('./writing-child.ts', import.meta.url));

test('a worker killed at any moment has forgotten nothing that it was told is written', async () => {
  const directory = makeFlowDirectory();
  const worker = fork(child, [directory], { execArgv: [] });
  const told = new Set<string>();
  await new Promise<void>((resolve) => {
    worker.on('message', (message: { written?: string }) => {
      if (message.written !== undefined) told.add(message.written);
      if (told.size === 500) resolve();
    });
  });
  worker.kill('SIGKILL');
  await once(worker, 'close');
  expect(worker.signalCode).toBe('SIGKILL');

  const report = await verifyFlows(directory);
  expect(report.problems).toEqual([]);
  const recorded = new Set(recordsIn(directory).map(({ unmapped }) => unmapped.postern['flow'] as string));
  expect([...told].filter((id) => !recorded.has(id))).toEqual([]);
  expect(told.size).toBeGreaterThanOrEqual(500);
});
