import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { listPartitions } from '../../../src/flow/archive/local-store.ts';
import { partitionPath } from '../../../src/flow/archive/partition.ts';
import { retirePartitions } from '../../../src/flow/archive/retire-partitions.ts';
import { retentionClasses } from '../../../src/flow/retention.ts';
import { makeFlowDirectory } from '../flow-directory.ts';
import { monday } from '../samples.ts';

const [hourMs, dayMs] = [3_600_000, 86_400_000];
const days = { flows: 90, security: 365, administration: 730 };

test('hours of an archive go when the last of their records has had the days of its class', async () => {
  const directory = makeFlowDirectory();
  for (const keep of retentionClasses)
    for (const hour of [monday, monday + hourMs]) {
      const folder = join(directory, partitionPath({ keep, hour }));
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'w.00000001-00000001.parquet'), '');
    }
  const left = async (afterMs: number): Promise<string[]> => {
    await retirePartitions(directory, await listPartitions(directory), days, monday + afterMs);
    return (await listPartitions(directory)).map((path) => path.replace('date=2026-01-05/', '')).toSorted();
  };
  const later = ['keep=administration/hour=08', 'keep=administration/hour=09'];
  const security = ['keep=security/hour=08', 'keep=security/hour=09'];
  expect(await left(90 * dayMs + hourMs - 1)).toHaveLength(6);
  expect(await left(90 * dayMs + hourMs)).toEqual([...later, 'keep=flows/hour=09', ...security]);
  expect(existsSync(join(directory, 'keep=flows/date=2026-01-05'))).toBe(true);
  expect(await left(91 * dayMs)).toEqual([...later, ...security]);
  expect(existsSync(join(directory, 'keep=flows/date=2026-01-05'))).toBe(false);
  expect(await left(366 * dayMs)).toEqual(later);
  expect(await left(731 * dayMs)).toEqual([]);
});
