import { answerLifetimeMs, claimLifetimeMs } from './answer-memory.ts';
import type { AnswerMemory, StoredAnswer } from './answer-memory.ts';
import type { FleetingStore } from './fleeting/fleeting-store.ts';

interface Held {
  readonly fingerprint: string;
  readonly answer?: StoredAnswer;
}

/** Answers that all servers know: a client that asks again may reach another one. */
export function createSharedAnswers(fleeting: FleetingStore): AnswerMemory {
  return {
    async claim(key, fingerprint) {
      const claimed = await fleeting.claim(
        key,
        JSON.stringify({ fingerprint } satisfies Held),
        claimLifetimeMs,
      );
      if (claimed === undefined) return { state: 'claimed' };
      const held = JSON.parse(claimed) as Held;
      return held.answer === undefined
        ? { state: 'running', fingerprint: held.fingerprint }
        : { state: 'answered', fingerprint: held.fingerprint, answer: held.answer };
    },
    async answer(key, answer) {
      const claimed = await fleeting.get(key);
      if (claimed === undefined) return;
      const { fingerprint } = JSON.parse(claimed) as Held;
      await fleeting.put(key, JSON.stringify({ fingerprint, answer } satisfies Held), answerLifetimeMs);
    },
    release: (key) => fleeting.drop(key),
  };
}
