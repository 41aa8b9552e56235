import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startChild } from '../../src/supervisor/child.ts';
import type { Child } from '../../src/supervisor/child.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'postern-child-'));
});
afterAll(() => rm(directory, { recursive: true }));

async function program(text: string) {
  const file = join(directory, `${Math.random()}.mjs`);
  await writeFile(file, text);
  return { file: process.execPath, args: [file], env: {} };
}

describe('a child', () => {
  it('is told and tells, and ends with its code after its last message', async () => {
    const heard: unknown[] = [];
    const child: Child<unknown> = startChild<unknown, unknown>(
      await program(`process.on('message', (m) => { process.send({ echo: m }); process.exit(3); });`),
      { onMessage: (message) => heard.push(message), onEnd: (end) => heard.push(end) },
    );
    child.send(new Map([['a', 1]]));
    expect(await child.ended).toEqual({ code: 3, detail: 'exit code 3' });
    expect(heard).toEqual([{ echo: new Map([['a', 1]]) }, { code: 3, detail: 'exit code 3' }]);
  });

  it('that cannot be started ends, and takes no message', async () => {
    const child = startChild<string, unknown>(
      { file: '/nowhere/node', args: [], env: {} },
      { onMessage: () => undefined, onEnd: () => undefined },
    );
    expect((await child.ended).detail).toContain('ENOENT');
    const { promise, resolve } = Promise.withResolvers<Error | null>();
    child.send('hello', undefined, resolve);
    expect(await promise).toBeInstanceOf(Error);
  });

  it('that dies with messages on their way calls each of them sent or failed, once', async () => {
    const child = startChild<object, unknown>(await program('setInterval(() => undefined, 1000);'), {
      onMessage: () => undefined,
      onEnd: () => undefined,
    });
    // More than the channel holds, so that some wait in this process when the child goes.
    const outcomes = Array.from({ length: 100 }, () => 0);
    for (const [index] of outcomes.entries()) {
      child.send(
        { filler: 'x'.repeat(100_000) },
        undefined,
        () => (outcomes[index] = (outcomes[index] ?? 0) + 1),
      );
    }
    child.kill();
    expect(await child.ended).toEqual({ code: null, detail: 'signal SIGKILL' });
    expect(outcomes).toEqual(outcomes.map(() => 1));
  });
});
