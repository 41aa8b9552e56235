/*
 * The attack: the process that delivers the access log runs as root, and its file sink was to write in a directory of the
 * workers' user, where flow records go. Whoever has taken over a worker puts a link there, named as that file will be, to
 * a file of root's, or takes away the directory and puts another in its place: root appends what a guest can shape (names,
 * paths) to /etc/anything, cuts off the last line of what it finds, and gives the result to a group. Or the file is
 * simply exchanged, and the access log that the SOC collects says what the attacker likes.
 */
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createFileSink } from '../../src/flow/sinks/file-sink.ts';
import { fileSink, makeDirectory } from '../flow/shipper/shipping.ts';

const isRoot = process.getuid?.() === 0;
const worker = 64_990;
const batch = [{ text: '{"a":1}', record: {} }];
const sinkIn = (directory: string) => createFileSink(fileSink(directory), Date.now, true);

test('it writes where nobody else can', async () => {
  const directory = join(makeDirectory(), 'audit');
  mkdirSync(directory, { mode: 0o750 });
  const sink = sinkIn(directory);
  await sink.send(batch);
  await sink.close();
  expect(readFileSync(join(directory, 'records.jsonl'), 'utf8')).toBe('{"a":1}\n');
});

test.each([0o770, 0o707, 0o1777])('it writes nothing where others can, by mode %o', async (mode) => {
  const directory = join(makeDirectory(), 'audit');
  mkdirSync(directory);
  chmodSync(directory, mode);
  await expect(sinkIn(directory).send(batch)).rejects.toThrow(`others can write in ${directory}`);
  expect(readdirSync(directory)).toEqual([]);
});

describe.runIf(isRoot)(
  isRoot ? 'of another user' : 'of another user [skipped: needs root: sudo npm test]',
  () => {
    test('a link to a file of root’s is not followed', async () => {
      const directory = makeDirectory();
      const target = join(makeDirectory(), 'shadow');
      writeFileSync(target, 'root:*\nunfinished');
      symlinkSync(target, join(directory, 'records.jsonl'));
      chownSync(directory, worker, worker);
      await expect(sinkIn(directory).send(batch)).rejects.toThrow(`${directory} belongs to user ${worker}`);
      expect(readFileSync(target, 'utf8')).toBe('root:*\nunfinished');
    });

    test('nor is a directory believed that such a user could exchange, or leads to by a link', async () => {
      const above = makeDirectory();
      const own = makeDirectory();
      mkdirSync(join(above, 'audit'));
      symlinkSync(own, join(above, 'link'));
      chownSync(above, worker, worker);
      for (const name of ['audit', 'link'])
        await expect(sinkIn(join(above, name)).send(batch)).rejects.toThrow(
          `${above} belongs to user ${worker}`,
        );
      expect([readdirSync(join(above, 'audit')), readdirSync(own)]).toEqual([[], []]);
    });

    test('nor is one of root’s believed that a link of root’s leads to through such a user’s', async () => {
      const theirs = makeDirectory();
      mkdirSync(join(theirs, 'audit'));
      chownSync(theirs, worker, worker);
      const above = makeDirectory();
      symlinkSync(join(theirs, 'audit'), join(above, 'link'));
      await expect(sinkIn(join(above, 'link')).send(batch)).rejects.toThrow(
        `${theirs} belongs to user ${worker}`,
      );
    });

    test('a file that was there before belongs to root, or nothing is written into it', async () => {
      const directory = makeDirectory();
      const path = join(directory, 'records.jsonl');
      writeFileSync(path, 'theirs\n');
      chownSync(path, worker, worker);
      await expect(sinkIn(directory).send(batch)).rejects.toThrow(`${path} belongs to user ${worker}`);
      expect(readFileSync(path, 'utf8')).toBe('theirs\n');
    });
  },
);
