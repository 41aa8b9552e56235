import { Type } from 'typebox';
import type { Static } from 'typebox';
import { Compile } from 'typebox/compile';
import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import type { Sealer } from '../../identity/sealer.ts';
import type { FleetingStore } from '../fleeting/fleeting-store.ts';

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
 * when they come back. Only that one was used is remembered, until it would have expired; where that was forgotten (a
 * restart without Redis) the provider's own one-time code stands for it.
 */
export interface Transactions {
  seal(transaction: Transaction): string;
  /** The transaction, if it is this owner's and not over; it stays open. `now` in epoch seconds. */
  open(text: string, owner: string, now: number): Promise<Transaction | Refusal>;
  /** Uses it up. False where somebody was quicker. */
  use(transaction: Transaction, now: number): Promise<boolean>;
  /** Whether the provider may be asked about it again, and notes that it is. */
  mayPoll(transaction: Transaction, intervalSeconds: number): Promise<boolean>;
}

export function createTransactions(
  sealer: Sealer,
  /** Of all control planes, where they share one. */
  memory: { readonly used: FleetingStore; readonly polls: FleetingStore },
): Transactions {
  return {
    seal: (transaction) => sealer.seal(purpose, transaction),
    async open(text, owner, now) {
      const value = sealer.open(purpose, text);
      if (!transactions.Check(value)) return refuse('sign-in-unknown', 'not sealed by this organization');
      if (value.owner !== owner) return refuse('sign-in-unknown', `begun by ${value.owner}`);
      if (value.expiresAt <= now) return refuse('sign-in-expired', `expired at ${value.expiresAt}`);
      return (await memory.used.get(value.id)) === undefined ? value : refuse('sign-in-used');
    },
    use: async ({ id, expiresAt }, now) =>
      (await memory.used.claim(id, 'used', Math.max(1, expiresAt - now) * 1000)) === undefined,
    mayPoll: async ({ id }, intervalSeconds) =>
      (await memory.polls.claim(id, 'asked', intervalSeconds * 1000)) === undefined,
  };
}
