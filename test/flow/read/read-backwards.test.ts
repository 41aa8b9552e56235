import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { readLinesBackwards } from '../../../src/flow/read/read-backwards.ts';
import { makeFlowDirectory } from '../flow-directory.ts';

async function read(path: string, end?: number): Promise<{ text: string; start: number }[]> {
  const lines = await Array.fromAsync(readLinesBackwards(path, end));
  return lines.map(({ bytes, start }) => ({ text: bytes.toString(), start }));
}

test('hands over every whole line once, the last first, and goes on from where a line began', async () => {
  const path = join(makeFlowDirectory(), 'file');
  const line = fc.oneof(
    fc.stringMatching(/^[a-z]{0,20}$/),
    fc.integer({ min: 65_000, max: 140_000 }).map((length) => 'x'.repeat(length)),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 12 }), line, async (lines, torn) => {
      writeFileSync(path, lines.map((text) => `${text}\n`).join('') + torn);
      const found = await read(path);
      expect(found.map(({ text }) => text)).toEqual(lines.toReversed());
      const middle = found[Math.floor(found.length / 2)];
      if (middle !== undefined)
        expect(await read(path, middle.start)).toEqual(found.slice(Math.floor(found.length / 2) + 1));
    }),
    { numRuns: 60 },
  );
});
