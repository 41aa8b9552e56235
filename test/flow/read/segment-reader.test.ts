import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { FlowId } from '../../../src/domain/ids.ts';
import { contextWindow } from '../../../src/flow/frames/record-reader.ts';
import { createSegmentReader } from '../../../src/flow/read/segment-reader.ts';
import { framesIn, linesIn, segmentsIn } from '../../lab/flow-records.ts';
import { makeFlowDirectory, openRecorder, whenWritten } from '../flow-directory.ts';
import { allowedFacts, answered, request } from '../samples.ts';

/** More than two stretches within which a context is written once. */
async function recordMany(): Promise<{ directory: string; file: string }> {
  const directory = makeFlowDirectory();
  const recorder = openRecorder(directory);
  const path = `/${'x'.repeat(2000)}`;
  for (let index = 0; index < 5000; index += 1) {
    const id = `flow-${index}` as FlowId;
    recorder.request({ ...allowedFacts, id, request: { ...request, path } }, answered);
    if (index % 500 === 0) await whenWritten(recorder);
  }
  recorder.close();
  return { directory, file: join(directory, segmentsIn(directory)[0] ?? '') };
}

test('reads the same records from any place on, whoever read before', async () => {
  const { directory, file } = await recordMany();
  expect(statSync(file).size).toBeGreaterThan(2 * contextWindow);
  expect(framesIn(file).filter((line) => line.startsWith('["c"')).length).toBe(3);
  const all = linesIn(directory);
  const reader = createSegmentReader(file);
  const ends: { end: number; read: number }[] = [];
  let read = 0;
  for (let at = 0; at < statSync(file).size; ) {
    const piece = await reader.pieceAt(at, 1_000_000);
    for (const { end, records = [] } of piece.lines) {
      read += records.length;
      ends.push({ end, read });
    }
    at = piece.end;
  }
  expect(read).toBe(all.length);
  const last = ends.length - 1;
  for (const index of [0, 1, Math.trunc(last * 0.4), Math.trunc(last / 2), last - 1, 2]) {
    const { end, read: before } = ends[index] ?? { end: 0, read: 0 };
    for (const one of [reader, createSegmentReader(file)]) {
      const piece = await one.pieceAt(end, 400_000);
      const texts = Array.from(piece.lines, ({ records = [] }) => records.map(({ text }) => text)).flat();
      expect(texts.length).toBeGreaterThan(0);
      expect(texts).toEqual(all.slice(before, before + texts.length));
    }
  }
});
