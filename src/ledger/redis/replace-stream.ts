import { randomUUID } from 'node:crypto';
import type { LedgerHead } from '../../domain/control-state.ts';
import type { LedgerEntry } from '../../domain/events.ts';
import { genesisHead, headOf } from '../chain.ts';
import { LedgerConflict, LedgerUnavailable } from '../ledger.ts';
import type { RedisConnection } from './redis-connection.ts';
import { replaceScript, runScript } from './scripts.ts';

export interface StreamReplacement {
  readonly connection: RedisConnection;
  /** Of the ledger. */
  readonly key: string;
  readonly entries: Iterable<LedgerEntry>;
  /** What the ledger has after a head, verified link by link from it. */
  readAfter(head: LedgerHead): AsyncIterable<LedgerEntry>;
  /** Appends to the stream of another key. @throws LedgerConflict where another has been at it. */
  appendTo(draft: string, entries: readonly LedgerEntry[]): Promise<void>;
}

const entriesAtOnce = 500;
const claimMs = 60_000;
const maxAttempts = 32;

/**
 * A stream takes entries at its end alone, so the whole is written beside it and then put in its place. Appends go on
 * meanwhile; what they add is taken over before the exchange. `false` where another server is at it.
 * @throws LedgerConflict, LedgerUnavailable
 */
export async function replaceStream(replacement: StreamReplacement): Promise<boolean> {
  const { connection, key } = replacement;
  const [draft, claim] = [`${key}-draft`, `${key}-draft-claim`];
  const mine = randomUUID();
  const claimed = await connection.call((client) => client.set(claim, mine, 'PX', claimMs, 'NX'));
  if (claimed !== 'OK') return false;
  try {
    // Of one who was killed at it.
    await connection.call((client) => client.del(draft));
    const exchange = (): Promise<unknown> =>
      connection.call((client) => runScript(client, replaceScript, [key, draft], []));
    if ((await exchange()) === 'denied')
      throw new LedgerUnavailable(
        'its user may not XLEN and RENAME: give it +xlen +rename (see the access rules in docs/redis.md)',
      );
    const append = async (entries: readonly LedgerEntry[]): Promise<void> => {
      await replacement.appendTo(draft, entries);
      await connection.call((client) => client.set(claim, mine, 'PX', claimMs));
    };
    let head = genesisHead;
    const write = async (entries: Iterable<LedgerEntry> | AsyncIterable<LedgerEntry>): Promise<void> => {
      let batch: LedgerEntry[] = [];
      for await (const entry of entries) {
        head = headOf(entry);
        batch.push(entry);
        if (batch.length < entriesAtOnce) continue;
        await append(batch);
        batch = [];
      }
      await append(batch);
    };
    await write(replacement.entries);
    for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
      const answer = await exchange();
      if (answer === 'done') return true;
      const before = head.sequence;
      await write(replacement.readAfter(head));
      if (answer !== 'moved' || head.sequence === before) break;
    }
    throw new LedgerConflict('the store does not follow the chain that was to take its place');
  } finally {
    await connection.call((client) => client.del(draft, claim)).catch(ignoreUnavailable);
  }
}

/** It is cleared away at the next attempt; what went wrong before is what counts. */
function ignoreUnavailable(error: unknown): void {
  if (!(error instanceof LedgerUnavailable)) throw error;
}
