import type { BrowserProof, BrowserSession, ControlToWorker, WorkerToControl } from '../contract/ipc.ts';
import { refuse } from '../contract/refusals.ts';
import type { Refusal } from '../contract/refusals.ts';

/** Gets session tokens for browsers from the control process, which alone can open what they show. */
export interface BrowserSessions {
  /** Never rejects. */
  open(proof: BrowserProof): Promise<BrowserSession | Refusal>;
  answered(message: Extract<ControlToWorker, { type: 'browser-session' | 'browser-session-refused' }>): void;
  /** Puts all open questions again: who was asked is gone. */
  askAgain(): void;
}

/** A control process that is being started again answers after that; a browser does not wait for ever. */
const limitMs = 10_000;

interface Question {
  readonly proof: BrowserProof;
  readonly resolve: (answer: BrowserSession | Refusal) => void;
}

export function createBrowserSessions(send: (message: WorkerToControl) => void): BrowserSessions {
  const questions = new Map<number, Question>();
  let lastId = 0;
  const settle = (id: number, answer: BrowserSession | Refusal): void => {
    const question = questions.get(id);
    questions.delete(id);
    question?.resolve(answer);
  };
  return {
    open: (proof) =>
      new Promise((resolve) => {
        const id = ++lastId;
        const timer = setTimeout(
          () => settle(id, refuse('sign-in-unavailable', 'no answer of the control process')),
          limitMs,
        );
        timer.unref();
        questions.set(id, {
          proof,
          resolve: (answer) => {
            clearTimeout(timer);
            resolve(answer);
          },
        });
        send({ type: 'open-browser-session', id, proof });
      }),
    answered(message) {
      if (message.type === 'browser-session') settle(message.id, message.session);
      else settle(message.id, refuse(message.code, message.detail));
    },
    askAgain() {
      for (const [id, { proof }] of questions) send({ type: 'open-browser-session', id, proof });
    },
  };
}
