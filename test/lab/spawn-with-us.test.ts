import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { eventually } from '../flow/shipper/shipping.ts';

const helper = new URL('./spawn-with-us.ts', import.meta.url).href;

/** Not one that waits for whoever started it to ask how it ended. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

test.each(['SIGKILL', 'SIGTERM'] as const)('what a suite started ends with it, by %s too', async (signal) => {
  const suite = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `const { spawnWithUs } = await import(${JSON.stringify(helper)});
       const child = spawnWithUs('/usr/bin/sleep', ['600'], { detached: true, stdio: 'ignore' });
       process.stdout.write(String(child.pid));
       setInterval(() => {}, 1000);`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const pid = Number(String((await once(suite.stdout, 'data'))[0]));
  await eventually(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('/usr/bin/sleep'));
  const gone = once(suite, 'exit');
  suite.kill(signal);
  await gone;
  await eventually(() => !isRunning(pid));
  expect(isRunning(pid)).toBe(false);
});
