import { join } from 'node:path';
import { expect, test } from 'vitest';
import { killAtRandom } from '../bench/support/kill-worker.ts';
import { makeFlowDirectory } from './flow-directory.ts';

test('a worker killed at any moment, again and again, has forgotten nothing that it was told is written', async () => {
  const directory = makeFlowDirectory();
  let told = 0;
  for (let kill = 0; kill < 5; kill += 1) told += (await killAtRandom(join(directory, String(kill)))).told;
  expect(told).toBeGreaterThanOrEqual(5);
});
