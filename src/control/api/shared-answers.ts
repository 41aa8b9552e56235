import { answerLifetimeMs, claimOf } from './answer-memory.ts';
import type { AnswerMemory, StoredAnswer } from './answer-memory.ts';
import type { FleetingStore } from '../fleeting/fleeting-store.ts';

interface Held {
  readonly fingerprint: string;
  readonly claimedAt: number;
  readonly answer?: StoredAnswer;
}

/** How soon what could not be written is tried again. */
const writeAgainMs = 500;
/** Past it the oldest are forgotten, to others: they find them abandoned. */
const maxOwed = 1000;

/**
 * Answers that all servers know: a client that asks again may reach another one. One that could not be written, since
 * Redis went between claim and answer, is written when it is back.
 */
export function createSharedAnswers(fleeting: FleetingStore): AnswerMemory {
  const owed = new Map<string, { readonly held: Held; readonly expiresAt: number }>();
  let timer: NodeJS.Timeout | undefined;

  const write = async (key: string): Promise<void> => {
    const mine = owed.get(key);
    if (mine === undefined) return;
    const leftMs = mine.expiresAt - Date.now();
    const isDone = leftMs <= 0 || (await fleeting.put(key, JSON.stringify(mine.held), leftMs));
    if (isDone && owed.get(key) === mine) owed.delete(key);
  };
  const writeAll = async (): Promise<void> => {
    for (const key of owed.keys()) await write(key);
    timer = undefined;
    writeLater();
  };
  const writeLater = (): void => {
    if (owed.size === 0) return;
    timer ??= setTimeout(() => void writeAll(), writeAgainMs).unref();
  };

  return {
    async claim(key, fingerprint, now) {
      const mine = owed.get(key);
      if (mine !== undefined) return claimOf(mine.held, now);
      const held: Held = { fingerprint, claimedAt: now };
      const claimed = await fleeting.claim(key, JSON.stringify(held), answerLifetimeMs);
      return claimed === undefined ? { state: 'claimed' } : claimOf(JSON.parse(claimed) as Held, now);
    },
    async answer(key, fingerprint, answer, now) {
      owed.set(key, {
        held: { fingerprint, claimedAt: now, answer },
        expiresAt: Date.now() + answerLifetimeMs,
      });
      const [oldest] = owed.keys();
      if (owed.size > maxOwed && oldest !== undefined) owed.delete(oldest);
      await write(key);
      writeLater();
    },
    release: (key) => fleeting.drop(key),
  };
}
