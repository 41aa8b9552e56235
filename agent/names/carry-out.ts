import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { runTrusted } from '../posture/run-trusted.ts';
import type { Step } from './step.ts';

const limitMs = 20_000;

/** Does the steps in order, and stops at the first that fails and may not. */
export async function carryOut(steps: readonly Step[]): Promise<void> {
  for (const step of steps) {
    if (step.kind === 'write') replaceFile(step.path, step.content);
    else if (step.kind === 'remove') rmSync(step.path, { force: true });
    else if (step.mayFail === true) await runStep(step).catch(() => undefined);
    else await runStep(step);
  }
}

const runStep = ({ program, args }: Extract<Step, { kind: 'run' }>): Promise<string> =>
  runTrusted(program, args, { timeoutMs: limitMs });

/**
 * Seen whole or not at all, where the file can be replaced. One that is a mount of its own, as in containers and below
 * a service manager that lets us write to nothing else, is written in place.
 */
const inPlace: ReadonlySet<string | undefined> = new Set(['EBUSY', 'EROFS', 'EACCES']);

function replaceFile(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${randomBytes(6).toString('hex')}.postern`;
  try {
    writeFileSync(temporary, content, { flag: 'wx', mode: 0o644 });
    chmodSync(temporary, 0o644);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    if (!inPlace.has((error as NodeJS.ErrnoException).code)) throw error;
    writeFileSync(path, content);
  }
}
