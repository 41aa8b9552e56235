/** What a change was answered with. */
export interface StoredAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * What is known of an idempotency key: nothing before, somebody at work on it, that somebody was and never said how it
 * ended, or how it ended.
 */
export type Claim =
  | { readonly state: 'claimed' }
  | { readonly state: 'abandoned'; readonly fingerprint: string }
  | { readonly state: 'running'; readonly fingerprint: string }
  | { readonly state: 'answered'; readonly fingerprint: string; readonly answer: StoredAnswer };

/**
 * Remembers what changes were answered with, for as long as a client may ask again. Fleeting: it may forget, and then a
 * repeated request is one like any other. Times in epoch milliseconds.
 */
export interface AnswerMemory {
  /** Takes a key for whoever asks first; everyone else learns what became of it. */
  claim(key: string, fingerprint: string, now: number): Promise<Claim>;
  /** Of who claimed it, with the same fingerprint: keeps the answer. */
  answer(key: string, fingerprint: string, answer: StoredAnswer, now: number): Promise<void>;
  /** Of who claimed it: nothing was done, so that the next one may try. */
  release(key: string): Promise<void>;
}

export const answerLifetimeMs = 24 * 3_600_000;
/** Nobody works on a request for longer: whoever did was killed at it, and what was done is not known. */
export const maxWorkMs = 120_000;

interface Entry {
  readonly fingerprint: string;
  readonly claimedAt: number;
  readonly expiresAt: number;
  readonly answer: StoredAnswer | undefined;
}

/** What another's claim of a key says to whoever asks again. */
export function claimOf(
  {
    fingerprint,
    claimedAt,
    answer,
  }: { readonly fingerprint: string; readonly claimedAt: number; readonly answer?: StoredAnswer | undefined },
  now: number,
): Claim {
  if (answer !== undefined) return { state: 'answered', fingerprint, answer };
  return { state: now - claimedAt < maxWorkMs ? 'running' : 'abandoned', fingerprint };
}

/** In this process's memory, bounded: past `maxBytes` the oldest are forgotten before their time. */
export function createAnswerMemory(options: { readonly maxBytes?: number } = {}): AnswerMemory {
  const { maxBytes = 64 * 1_048_576 } = options;
  const entries = new Map<string, Entry>();
  let bytes = 0;
  const sizeOf = (key: string, { answer }: Entry): number => key.length + 300 + (answer?.body.length ?? 0);
  const forget = (key: string): void => {
    const entry = entries.get(key);
    if (entry === undefined) return;
    bytes -= sizeOf(key, entry);
    entries.delete(key);
  };
  const remember = (key: string, entry: Entry): void => {
    forget(key);
    entries.set(key, entry);
    bytes += sizeOf(key, entry);
    for (const [oldest] of entries) {
      if (bytes <= maxBytes || oldest === key) break;
      forget(oldest);
    }
  };
  return {
    async claim(key, fingerprint, now) {
      const entry = entries.get(key);
      if (entry === undefined || entry.expiresAt <= now) {
        const expiresAt = now + answerLifetimeMs;
        remember(key, { fingerprint, claimedAt: now, expiresAt, answer: undefined });
        return { state: 'claimed' };
      }
      return claimOf(entry, now);
    },
    async answer(key, fingerprint, answer, now) {
      remember(key, { fingerprint, claimedAt: now, expiresAt: now + answerLifetimeMs, answer });
    },
    async release(key) {
      forget(key);
    },
  };
}
