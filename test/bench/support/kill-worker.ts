import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { verifyFlows } from '../../../src/flow/verify/verify-flows.ts';
import { recordsIn } from '../../lab/flow-records.ts';

const child = fileURLToPath(new URL('../../flow/writing-child.ts', import.meta.url));

/**
 * Has a process record flows without end in a new directory, kills it (SIGKILL) at a random moment, and holds what is
 * there against what it told. @throws Error when a record of which it had told is not there, or the chain is not whole
 */
export async function killAtRandom(directory: string): Promise<{ readonly told: number }> {
  mkdirSync(directory);
  const worker = fork(child, [directory], { execArgv: [] });
  const told = new Set<string>();
  const atLeast = 1 + Math.floor(Math.random() * 2000);
  await new Promise<void>((resolve) => {
    worker.on('message', ({ written }: { written?: string }) => {
      if (written !== undefined) told.add(written);
      if (told.size === atLeast) resolve();
    });
  });
  worker.kill('SIGKILL');
  await once(worker, 'close');
  const { problems } = await verifyFlows(directory);
  const recorded = new Set(recordsIn(directory).map(({ unmapped }) => unmapped.postern['flow'] as string));
  const missing = [...told].filter((id) => !recorded.has(id));
  if (problems.length > 0 || missing.length > 0)
    throw new Error(
      `killed after ${told.size} records: ${missing.length} are not there; ${JSON.stringify(problems)}`,
    );
  return { told: told.size };
}
