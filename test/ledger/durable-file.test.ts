import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { replaceFileByPieces } from '../../src/ledger/durable-file.ts';

function makeDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'postern-durable-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}

async function* pieces(error?: Error): AsyncIterable<string> {
  yield 'one\n';
  if (error !== undefined) throw error;
  yield 'two\n';
}

test('replaces a file by one that is written piece by piece, and that only its owner reads', async () => {
  const directory = makeDirectory();
  const path = join(directory, 'file');
  writeFileSync(path, 'before');
  await replaceFileByPieces(path, pieces());
  expect(readFileSync(path, 'utf8')).toBe('one\ntwo\n');
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(directory)).toEqual(['file']);
});

test('leaves the file of before, and nothing beside it, where the pieces end in an error', async () => {
  const directory = makeDirectory();
  const path = join(directory, 'file');
  writeFileSync(path, 'before');
  await expect(replaceFileByPieces(path, pieces(new Error('changed while it was read')))).rejects.toThrow(
    'changed while it was read',
  );
  expect(readFileSync(path, 'utf8')).toBe('before');
  expect(readdirSync(directory)).toEqual(['file']);
});
