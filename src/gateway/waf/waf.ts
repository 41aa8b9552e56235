import { Worker } from 'node:worker_threads';
import type { CoreRuleSet } from '../../contract/ipc.ts';
import type { InspectedRequest, InspectionProfile, InspectionReport } from '../../inspection/request.ts';
import type { GatewayLog } from '../ports.ts';
import type { FromWafThread, ToWafThread } from './waf-messages.ts';

/** What came of asking the rules. Nothing that goes wrong is an error here: the application says what it then wants. */
export type WafAnswer =
  | { readonly report: InspectionReport; readonly failure?: never }
  | { readonly failure: 'unavailable' | 'timeout'; readonly detail: string; readonly report?: never };

export interface Waf {
  /** Why rules cannot be asked. */
  readonly problem: string | undefined;
  /** Starts what answers, so that the first who asks does not wait for it. */
  prepare(): void;
  /** Never rejects, and answers within the time that the settings give it. */
  inspect(request: InspectedRequest, profile: InspectionProfile): Promise<WafAnswer>;
  close(): Promise<void>;
}

/** A thread answers some thousands a second: more waiting than this are not answered in time either. */
const maxWaiting = 512;
/** Of the thread alone; the rules and what their patterns have learned take some 60. */
const maxThreadMegabytes = 512;
const restartAfterMs = 1000;

interface Asked {
  readonly answer: (answer: WafAnswer) => void;
  readonly timer: NodeJS.Timeout;
}

/** Where nothing was said of rules. */
export const noWaf: Waf = {
  problem: 'no rules',
  prepare: () => undefined,
  inspect: () => Promise.resolve({ failure: 'unavailable', detail: 'no rules' }),
  close: () => Promise.resolve(),
};

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const threadFile = new URL(`waf-thread.${extension}`, import.meta.url);

/** Asks rules in a thread of its own. Where no application is to be inspected there is none. */
export function createWaf(parts: {
  readonly coreRuleSet: CoreRuleSet;
  readonly timeoutMs: number;
  readonly log: GatewayLog;
}): Waf {
  const { coreRuleSet, timeoutMs, log } = parts;
  const asked = new Map<number, Asked>();
  let thread: Worker | undefined;
  let failedAt = Number.NEGATIVE_INFINITY;
  let lastId = 0;
  /** Of `performance.now()`. */
  let lastAnswerAt = Number.POSITIVE_INFINITY;
  let isClosed = false;

  const settle = (id: number, answer: WafAnswer): void => {
    const entry = asked.get(id);
    if (entry === undefined) return;
    asked.delete(id);
    clearTimeout(entry.timer);
    entry.answer(answer);
  };
  const giveUp = (broken: Worker, detail: string): void => {
    if (thread !== broken) return;
    thread = undefined;
    lastAnswerAt = Number.POSITIVE_INFINITY;
    failedAt = performance.now();
    if (!isClosed) log.error({ detail }, 'rules stopped');
    void broken.terminate();
    for (const id of asked.keys()) settle(id, { failure: 'unavailable', detail });
  };
  const start = (files: Readonly<Record<string, string>>): Worker => {
    const started = new Worker(threadFile, {
      workerData: { files },
      resourceLimits: { maxOldGenerationSizeMb: maxThreadMegabytes },
    });
    started.unref();
    started.on('message', (message: FromWafThread) => {
      if (message.type === 'ready') {
        const { version, rules, notEvaluated } = message;
        lastAnswerAt = performance.now();
        log.info({ version, rules, notEvaluated }, 'rules are asked');
      } else if (message.type === 'report') {
        lastAnswerAt = performance.now();
        settle(message.id, { report: message.report });
      } else {
        log.error({ detail: message.detail }, 'rules failed');
        settle(message.id, { failure: 'unavailable', detail: message.detail });
      }
    });
    started.on('error', (error) => giveUp(started, (error as Error).message));
    started.on('exit', () => giveUp(started, 'the thread ended'));
    return started;
  };

  return {
    problem: coreRuleSet.problem,
    prepare() {
      if (coreRuleSet.files !== undefined && !isClosed) thread ??= start(coreRuleSet.files);
    },
    inspect(request, profile) {
      const { files, problem } = coreRuleSet;
      const unavailable = (detail: string): Promise<WafAnswer> =>
        Promise.resolve({ failure: 'unavailable', detail });
      if (files === undefined) return unavailable(problem);
      if (isClosed) return unavailable('the gateway stops');
      if (asked.size >= maxWaiting) return unavailable('too many requests wait for their inspection');
      if (thread === undefined && performance.now() - failedAt < restartAfterMs)
        return unavailable('the rules are started again');
      const current = (thread ??= start(files));
      const id = (lastId += 1);
      const at = performance.now();
      return new Promise((answer) => {
        const timer = setTimeout(() => {
          settle(id, { failure: 'timeout', detail: `no answer within ${timeoutMs} ms` });
          // Nothing at all was answered since: it is not busy, it hangs. One that is still starting does not.
          if (lastAnswerAt < at) giveUp(current, 'the thread hangs');
        }, timeoutMs);
        asked.set(id, { answer, timer });
        current.postMessage({ id, request, profile } satisfies ToWafThread);
      });
    },
    async close() {
      isClosed = true;
      await thread?.terminate();
    },
  };
}
