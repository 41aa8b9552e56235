import { join } from 'node:path';
import { startLoad, writeLoadOptions } from './load.ts';
import { residentBytes, start } from './processes.ts';
import { cores } from './target.ts';
import type { Target } from './target.ts';

/** Some connections that are there before: what the first ones cost once is not what each costs. */
const warmUpConnections = 500;

/**
 * Bytes of memory that one more idle device connection costs the gateway. Some requests before each look let the
 * collector pass, as it would in a living worker.
 */
export async function idleConnectionBytes(
  directory: string,
  target: Target,
  connections: number,
): Promise<number> {
  const trickle = await startLoad(directory, target, 8);
  const hold = (count: number) =>
    start(
      cores.load,
      [
        process.execPath,
        join(import.meta.dirname, 'idle-connections.ts'),
        writeLoadOptions(directory, target, count),
      ],
      { ready: /ready/ },
    );
  const settle = async (): Promise<number> => {
    await trickle.run(3);
    return residentBytes(target.pids);
  };
  const first = await hold(warmUpConnections);
  const before = await settle();
  const rest = await hold(connections);
  const after = await settle();
  for (const process of [rest, first, trickle]) await process.stop();
  return (after - before) / connections;
}
