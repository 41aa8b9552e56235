import { Worker } from 'node:worker_threads';
import type { FromThread, ToThread } from './answer-questions.ts';
import type { GatewayLog } from './ports.ts';

/** What came of a question. Nothing that goes wrong is an error here: whoever asks says what is then to be done. */
export type ThreadAnswer<Answer> =
  | { readonly answer: Answer; readonly failure?: never }
  | { readonly failure: 'unavailable' | 'timeout'; readonly detail: string; readonly answer?: never };

/** A thread beside a worker, for what takes longer than an event loop may stand still. */
export interface AskedThread<Question, Answer> {
  /** Starts it, so that the first who asks does not wait for that. */
  prepare(): void;
  /** Never rejects, and answers within the time that it was given. @param transfer memory that goes over to the thread. */
  ask(question: Question, transfer?: readonly ArrayBuffer[]): Promise<ThreadAnswer<Answer>>;
  /** Says something that is not answered, if there is somebody to say it to. */
  tell(question: Question): void;
  close(): Promise<void>;
}

/** A thread answers some thousands a second: more waiting than this are not answered in time either. */
const maxWaiting = 512;
const restartAfterMs = 1000;

interface Asked<Answer> {
  readonly answer: (answer: ThreadAnswer<Answer>) => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * One that ends is started again at the next question, but not at once; one that hangs is ended.
 * @param file runs `answerQuestions`.
 * @param onReady gets what it says when it is ready.
 */
export function createAskedThread<Question, Answer>(parts: {
  readonly file: URL;
  readonly workerData?: unknown;
  readonly timeoutMs: number;
  /** Of the thread alone. */
  readonly maxMegabytes: number;
  readonly onReady: (facts: object) => void;
  /** Constant messages for its log. */
  readonly messages: { readonly stopped: string; readonly failed: string };
  readonly log: GatewayLog;
}): AskedThread<Question, Answer> {
  const { file, workerData, timeoutMs, maxMegabytes, onReady, messages, log } = parts;
  const asked = new Map<number, Asked<Answer>>();
  let thread: Worker | undefined;
  let failedAt = Number.NEGATIVE_INFINITY;
  let lastId = 0;
  /** Of `performance.now()`. */
  let lastAnswerAt = Number.POSITIVE_INFINITY;
  let isClosed = false;

  const settle = (id: number, answer: ThreadAnswer<Answer>): void => {
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
    if (!isClosed) log.error({ detail }, messages.stopped);
    void broken.terminate();
    for (const id of asked.keys()) settle(id, { failure: 'unavailable', detail });
  };
  const start = (): Worker => {
    const started = new Worker(file, {
      workerData,
      resourceLimits: { maxOldGenerationSizeMb: maxMegabytes },
    });
    started.unref();
    started.on('message', (message: FromThread<Answer>) => {
      if (message.type === 'failed') {
        log.error({ detail: message.detail }, messages.failed);
        return settle(message.id, { failure: 'unavailable', detail: message.detail });
      }
      lastAnswerAt = performance.now();
      if (message.type === 'ready') onReady(message.facts);
      else settle(message.id, { answer: message.answer });
    });
    started.on('error', (error) => giveUp(started, (error as Error).message));
    started.on('exit', () => giveUp(started, 'the thread ended'));
    return started;
  };

  return {
    prepare() {
      if (!isClosed) thread ??= start();
    },
    ask(question, transfer = []) {
      const unavailable = (detail: string): Promise<ThreadAnswer<Answer>> =>
        Promise.resolve({ failure: 'unavailable', detail });
      if (isClosed) return unavailable('the gateway stops');
      if (asked.size >= maxWaiting) return unavailable('too many wait for their inspection');
      if (thread === undefined && performance.now() - failedAt < restartAfterMs)
        return unavailable('it is started again');
      const current = (thread ??= start());
      const id = (lastId += 1);
      const at = performance.now();
      return new Promise((answer) => {
        const timer = setTimeout(() => {
          settle(id, { failure: 'timeout', detail: `no answer within ${timeoutMs} ms` });
          // Nothing at all was answered since: it is not busy, it hangs. One that is still starting does not.
          if (lastAnswerAt < at) giveUp(current, 'the thread hangs');
        }, timeoutMs);
        asked.set(id, { answer, timer });
        current.postMessage({ id, question } satisfies ToThread<Question>, transfer);
      });
    },
    tell: (question) => thread?.postMessage({ id: 0, question } satisfies ToThread<Question>),
    async close() {
      isClosed = true;
      await thread?.terminate();
    },
  };
}
