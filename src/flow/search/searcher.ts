import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { nobodysHome } from '../../contract/nobodys-home.ts';
import type { FlowAnswer, FlowFilter, FlowQuery } from './flow-query.ts';
import { linesOf } from './lines-of.ts';
import type { FromSearchProcess, ToSearchProcess } from './messages.ts';
import type { SearchLimits } from './search-flows.ts';
import type { FlowPlaces } from './unarchived-records.ts';

/** Searches in processes of their own, a few at once. */
export interface Searcher {
  /** What a query can be `from`. */
  readonly buckets: readonly string[];
  /** @throws SearchOverrun; Error with a sentence for what went wrong otherwise */
  ask(query: FlowQuery, signal?: AbortSignal): Promise<FlowAnswer>;
  /**
   * Lines of JSON, a `FlowView` each, as records come, until the signal is aborted, as it must be in the end. Nothing runs before
   * they are read. @throws TooManyFollowers
   */
  follow(filter: FlowFilter, signal: AbortSignal): AsyncIterable<string>;
  close(): void;
}

/** It took longer than it may, waiting for others that search among it. */
export class SearchOverrun extends Error {
  override readonly name = 'SearchOverrun';
}

/** Each is a process. */
export class TooManyFollowers extends Error {
  override readonly name = 'TooManyFollowers';
}

export interface SearcherOptions {
  readonly places: FlowPlaces;
  readonly limits: SearchLimits;
  readonly timeoutMs: number;
  /** Whose right to read the records it has. */
  readonly runAs?: { readonly uid: number; readonly gid: number };
  /** How long a process stays that nobody asks. */
  readonly idleMs?: number;
}

const mostProcesses = 2;
const mostFollowers = 8;
const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const program = fileURLToPath(new URL(`./main.${extension}`, import.meta.url));

export function createSearcher(options: SearcherOptions): Searcher {
  const { places, limits, timeoutMs, runAs, idleMs = 60_000 } = options;
  const idle: { readonly child: ChildProcess; readonly timer: NodeJS.Timeout }[] = [];
  const waiting: (() => void)[] = [];
  const running = new Set<ChildProcess>();
  let busy = 0;
  let following = 0;

  function take(): ChildProcess {
    const known = idle.pop();
    if (known === undefined) return start('ignore');
    clearTimeout(known.timer);
    return known.child;
  }

  function start(output: 'ignore' | 'pipe'): ChildProcess {
    const child = spawn(process.execPath, [program], {
      stdio: ['ignore', output, 2, 'ipc'],
      serialization: 'advanced',
      // No credentials, and no NODE_OPTIONS.
      env: nobodysHome,
      ...runAs,
    });
    running.add(child);
    child.once('exit', () => {
      running.delete(child);
      const index = idle.findIndex((one) => one.child === child);
      if (index !== -1) idle.splice(index, 1);
    });
    tell(child, { type: 'open', places, limits });
    return child;
  }

  function leave(child: ChildProcess): void {
    if (!child.connected) return;
    idle.push({ child, timer: setTimeout(() => child.disconnect(), idleMs).unref() });
  }

  /** @throws SearchOverrun when the signal is there first */
  async function turn(signal: AbortSignal): Promise<void> {
    if (busy >= mostProcesses) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const giveUp = (): void => {
        waiting.splice(waiting.indexOf(resolve), 1);
        reject(new SearchOverrun('others search already'));
      };
      waiting.push(resolve);
      signal.addEventListener('abort', giveUp, { once: true });
      if (signal.aborted) giveUp();
      await promise;
      signal.removeEventListener('abort', giveUp);
    }
    busy += 1;
  }

  async function exchange(query: FlowQuery, signal: AbortSignal): Promise<FlowAnswer> {
    const child = take();
    const { promise, resolve, reject } = Promise.withResolvers<FlowAnswer>();
    const answered = (message: FromSearchProcess): void => {
      if (message.type === 'answer') resolve(message.answer);
      else reject(new Error(message.message));
    };
    const ended = (): void => reject(new Error('the process that searches ended'));
    const overrun = (): void => {
      child.kill('SIGKILL');
      reject(new SearchOverrun('it takes too long'));
    };
    child.on('message', answered);
    child.once('exit', ended);
    child.once('error', ended);
    signal.addEventListener('abort', overrun, { once: true });
    try {
      if (signal.aborted) overrun();
      else tell(child, { type: 'ask', query });
      return await promise;
    } finally {
      signal.removeEventListener('abort', overrun);
      child.off('message', answered);
      child.off('exit', ended);
      child.off('error', ended);
      // One that has not answered yet must not answer the next.
      if (!signal.aborted) leave(child);
    }
  }

  async function* linesFrom(filter: FlowFilter, signal: AbortSignal): AsyncIterable<string> {
    if (signal.aborted) return;
    const child = start('pipe');
    const end = (): void => void child.kill('SIGKILL');
    signal.addEventListener('abort', end, { once: true });
    try {
      tell(child, { type: 'follow', filter });
      if (child.stdout !== null) yield* linesOf(child.stdout);
    } finally {
      signal.removeEventListener('abort', end);
      end();
    }
  }

  return {
    buckets: Object.keys(places.buckets ?? {}),
    async ask(query, given) {
      const limit = AbortSignal.timeout(timeoutMs);
      const signal = given === undefined ? limit : AbortSignal.any([limit, given]);
      await turn(signal);
      try {
        return await exchange(query, signal);
      } finally {
        busy -= 1;
        waiting.shift()?.();
      }
    },
    follow(filter, signal) {
      if (following >= mostFollowers) throw new TooManyFollowers(`${following} follow already`);
      following += 1;
      signal.addEventListener('abort', () => (following -= 1), { once: true });
      return linesFrom(filter, signal);
    },
    close() {
      for (const { timer } of idle) clearTimeout(timer);
      for (const child of running) child.kill('SIGKILL');
    },
  };
}

function tell(child: ChildProcess, message: ToSearchProcess): void {
  if (child.connected) child.send(message, () => undefined);
}
