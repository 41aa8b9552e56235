import { parentPort } from 'node:worker_threads';

/** Id 0: nobody waits for an answer. */
export interface ToThread<Question> {
  readonly id: number;
  readonly question: Question;
}

export type FromThread<Answer> =
  | { readonly type: 'ready'; readonly facts: object }
  | { readonly type: 'answer'; readonly id: number; readonly answer: Answer }
  | { readonly type: 'failed'; readonly id: number; readonly detail: string };

/** What a thread does that is asked (asked-thread.ts). @param facts for the log of whoever asks. */
export function answerQuestions(facts: object, answer: (question: never) => unknown): void {
  const say = (message: FromThread<unknown>): void => parentPort?.postMessage(message);
  parentPort?.on('message', ({ id, question }: ToThread<never>) => {
    try {
      const said = answer(question);
      if (id !== 0) say({ type: 'answer', id, answer: said });
    } catch (error) {
      say({ type: 'failed', id, detail: (error as Error).message });
    }
  });
  say({ type: 'ready', facts });
}
