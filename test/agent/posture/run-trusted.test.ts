import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';

const module = new URL('../../../agent/posture/run-trusted.ts', import.meta.url).href;

/** Ends with what it printed: by itself, or by SIGKILL once it has said that it waits. */
async function runIn(options: object): Promise<{ out: string; signal: NodeJS.Signals | null }> {
  const script = `
    import { runTrusted } from '${module}';
    void runTrusted('/bin/sleep', ['60'], ${JSON.stringify(options)}).catch(() => {});
    // After all that a process without handles would still do.
    setTimeout(() => { console.log('started'); setImmediate(() => setTimeout(() => console.log('waits'), 200).unref()); }, 200);`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  let out = '';
  child.stdout.on('data', (piece: Buffer) => {
    out += piece.toString();
    if (out.includes('waits')) process.kill(-child.pid!, 'SIGKILL');
  });
  const [, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  try {
    process.kill(-child.pid!, 'SIGKILL');
  } catch {
    // The program went with it.
  }
  return { out, signal };
}

it('is waited for by the process that asked, unless that has nothing else left to do and was told not to wait', async () => {
  expect(await runIn({ timeoutMs: 60_000 })).toEqual({ out: 'started\nwaits\n', signal: 'SIGKILL' });
  expect(await runIn({ timeoutMs: 60_000, holdsProcess: false })).toEqual({ out: 'started\n', signal: null });
});
