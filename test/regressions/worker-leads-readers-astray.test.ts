import { execFileSync } from 'node:child_process';
import { existsSync, renameSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readRecords } from '../../src/flow/read-records.ts';
import { retireSegments } from '../../src/flow/retire-segments.ts';
import { tailFlows } from '../../src/flow/tail-flows.ts';
import { verifyFlows } from '../../src/flow/verify-flows.ts';
import { makeFlowDirectory, openRecorder } from '../flow/flow-directory.ts';
import { allowedFacts, answered, monday } from '../flow/samples.ts';
import { segmentsIn } from '../lab/flow-records.ts';

/**
 * The attack: who has taken over a worker owns the directory of its records, which others read that may read more, root
 * among them. Under the name of a segment lies a link to a file that is none of the worker's, so that its lines are
 * printed, delivered or kept; or a pipe that never says anything, on which retention, checkpoints and delivery hang.
 */
function directoryWith(put: (path: string, aside: string) => void): { directory: string; path: string } {
  const directory = makeFlowDirectory();
  const recorder = openRecorder(directory);
  recorder.request(allowedFacts, answered);
  recorder.close();
  const path = join(directory, segmentsIn(directory)[0] ?? '');
  const aside = join(makeFlowDirectory(), 'of-somebody-else');
  renameSync(path, aside);
  put(path, aside);
  return { directory, path };
}

const retire = (directory: string): Promise<number> =>
  retireSegments({ directory, before: monday + 99_000, isWritten: () => false });

test('no reader follows a link, and retention removes neither the link nor what it leads to', async () => {
  let target = '';
  const { directory, path } = directoryWith((at, aside) => {
    target = aside;
    symlinkSync(aside, at);
  });
  await expect(verifyFlows(directory)).rejects.toThrow(/ELOOP/);
  await expect(Array.fromAsync(readRecords(path))).rejects.toThrow(/ELOOP/);
  const { signal } = new AbortController();
  await expect(
    tailFlows(directory, { signal, fromStart: true })[Symbol.asyncIterator]().next(),
  ).rejects.toThrow(/ELOOP/);
  expect(await retire(directory)).toBe(0);
  expect(existsSync(target)).toBe(true);
});

test('no reader waits for a pipe', async () => {
  const { directory, path } = directoryWith((at) => void execFileSync('mkfifo', [at]));
  expect((await verifyFlows(directory)).problems.map(({ kind }) => kind)).toEqual(['missing']);
  expect(await Array.fromAsync(readRecords(path))).toEqual([]);
  expect(await retire(directory)).toBe(0);
});
