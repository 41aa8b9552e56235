import { Type } from 'typebox';
import type { Static } from 'typebox';
import { Compile } from 'typebox/compile';
import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import type { Sealer } from '../../identity/sealer.ts';

const strict = { additionalProperties: false } as const;
const Common = {
  id: Type.String(),
  /** Who began it, such as `device:ID`, and alone may end it. */
  owner: Type.String(),
  /** Epoch seconds. */
  expiresAt: Type.Integer(),
};

/** A sign-in under way: what must be known again when the user comes back from the provider. */
export const Transaction = Type.Union([
  Type.Object(
    {
      ...Common,
      flow: Type.Literal('code'),
      redirectUri: Type.String(),
      state: Type.String(),
      nonce: Type.String(),
      verifier: Type.String(),
      maxAgeSeconds: Type.Integer(),
    },
    strict,
  ),
  Type.Object(
    {
      ...Common,
      flow: Type.Literal('device-code'),
      deviceCode: Type.String(),
      intervalSeconds: Type.Integer(),
    },
    strict,
  ),
]);
export type Transaction = Static<typeof Transaction>;

const purpose = 'sign-in transaction';
const transactions = Compile(Transaction);

/**
 * Transactions are kept by whoever began them, sealed: the control plane may be another, or have been started again,
 * when they come back. Only that one was used is remembered here, until it would have expired; after a restart the
 * provider's own one-time code stands for that.
 */
export interface Transactions {
  seal(transaction: Transaction): string;
  /** The transaction, if it is this owner's and not over; it stays open. `now` in epoch seconds. */
  open(text: string, owner: string, now: number): Transaction | Refusal;
  /** Uses it up. False where somebody was quicker. */
  use(transaction: Transaction, now: number): boolean;
  /** Whether the provider may be asked about it again, and notes that it is. */
  mayPoll(transaction: Transaction, intervalSeconds: number, now: number): boolean;
}

const maxRemembered = 100_000;

export function createTransactions(sealer: Sealer): Transactions {
  const used = new Map<string, number>();
  const polls = new Map<string, { readonly expiresAt: number; readonly next: number }>();
  const forget = (now: number): void => {
    for (const [id, expiresAt] of used) {
      if (expiresAt > now && used.size <= maxRemembered) break;
      used.delete(id);
    }
    for (const [id, { expiresAt }] of polls) {
      if (expiresAt > now && polls.size <= maxRemembered) break;
      polls.delete(id);
    }
  };

  return {
    seal: (transaction) => sealer.seal(purpose, transaction),
    open(text, owner, now) {
      const value = sealer.open(purpose, text);
      if (!transactions.Check(value)) return refuse('sign-in-unknown', 'not sealed by this organization');
      if (value.owner !== owner) return refuse('sign-in-unknown', `begun by ${value.owner}`);
      if (value.expiresAt <= now) return refuse('sign-in-expired', `expired at ${value.expiresAt}`);
      return used.has(value.id) ? refuse('sign-in-used') : value;
    },
    use({ id, expiresAt }, now) {
      forget(now);
      if (used.has(id)) return false;
      used.set(id, expiresAt);
      polls.delete(id);
      return true;
    },
    mayPoll({ id, expiresAt }, intervalSeconds, now) {
      forget(now);
      const known = polls.get(id);
      if (known !== undefined && now < known.next) return false;
      polls.delete(id);
      polls.set(id, { expiresAt, next: now + intervalSeconds });
      return true;
    },
  };
}
