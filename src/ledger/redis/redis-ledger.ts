import type { LedgerHead } from '../../domain/control-state.ts';
import type { LedgerEntry } from '../../domain/events.ts';
import { checkActor, genesisHead, headOf, linkEntries } from '../chain.ts';
import { LedgerConflict, LedgerCorrupt, LedgerUnavailable } from '../ledger.ts';
import type { MendableLedger } from '../ledger.ts';
import { appendToStream } from './append-to-stream.ts';
import type { RedisAddress } from './redis-address.ts';
import type { RedisTimeouts } from './redis-client.ts';
import { openRedisConnection, usualTimeouts } from './redis-connection.ts';
import { replaceStream } from './replace-stream.ts';
import { extentScript, headScript, runScript } from './scripts.ts';
import { idOf, parseChain, parseElement, parseHead, sequenceOf } from './stream-entries.ts';
import type { StreamElement } from './stream-entries.ts';

export interface RedisLedgerOptions {
  /** Epoch milliseconds, for the entries' time. */
  readonly now?: () => number;
  readonly timeouts?: RedisTimeouts;
  /** While someone follows: how often to look whether what was read is still there. */
  readonly blockMs?: number;
  /** While someone follows: the store has just answered, and what was read is still there. */
  readonly onConfirmed?: () => void;
}

const entriesAtOnce = 500;

/** Every key of an installation has one hash tag, so that a cluster keeps them in one slot. */
export const ledgerKey = (prefix: string): string => `{${prefix}}:ledger`;

/**
 * The ledger in a Redis Stream: entry N is the element `N-0`. Connects when it is first used. What Redis acknowledged it
 * may lose again: at a power cut by its `appendfsync`, at a failover by what its replicas had not got.
 */
export function openRedisLedger(address: RedisAddress, options: RedisLedgerOptions = {}): MendableLedger {
  const { now = Date.now, timeouts = usualTimeouts, blockMs = 2000 } = options;
  const key = ledgerKey(address.prefix);
  const connection = openRedisConnection(address, timeouts);
  const closed = new AbortController();

  const assertOpen = (): void => {
    if (closed.signal.aborted) throw new LedgerUnavailable(`ledger in ${address.name} is closed`);
  };
  const readRange = (from: string, to: string, count: number): Promise<StreamElement[]> =>
    connection.call((client) => client.xrange(key, from, to, 'COUNT', count));
  const readHead = async (): Promise<LedgerHead> =>
    parseHead(await connection.call((client) => client.xrevrange(key, '+', '-', 'COUNT', 1)));

  const hashAt = async (sequence: number): Promise<string | undefined> => {
    if (sequence === 0) return genesisHead.hash;
    const [element] = await readRange(idOf(sequence), idOf(sequence), 1);
    return element === undefined ? undefined : parseElement(element, sequence).hash;
  };

  const headAt = async (sequence: number): Promise<LedgerHead> => {
    const hash = await hashAt(sequence);
    if (hash === undefined) throw new RangeError(`ledger has no entry ${sequence}`);
    return { sequence, hash };
  };

  async function* readAfter(start: LedgerHead): AsyncGenerator<LedgerEntry, LedgerHead> {
    let head = start;
    for (;;) {
      const elements = await readRange(`(${idOf(head.sequence)}`, '+', entriesAtOnce);
      const entries = parseChain(elements, head);
      for (const entry of entries) {
        yield entry;
        head = headOf(entry);
      }
      if (elements.length < entriesAtOnce) return head;
    }
  }

  const append = (expected: LedgerHead, entries: readonly LedgerEntry[], serverMs: number): Promise<void> =>
    appendToStream({ ...address, connection, key, timeouts, expected, entries, serverMs });

  const readServerHead = async (of = key): Promise<{ head: LedgerHead; serverMs: number }> => {
    const [id, hash, serverMs] = (await connection.call((client) =>
      runScript(client, headScript, of, []),
    )) as [string, string, string];
    return { head: { sequence: sequenceOf(id, 0), hash }, serverMs: Number(serverMs) };
  };
  const readExpectedHead = async (
    first: LedgerEntry,
    of = key,
  ): Promise<{ head: LedgerHead; serverMs: number }> => {
    const found = await readServerHead(of);
    if (found.head.hash !== first.previous || found.head.sequence !== first.sequence - 1)
      throw new LedgerConflict(`ledger head is entry ${found.head.sequence}, not the one expected`);
    return found;
  };

  return {
    async append(expectedHash, actor, events) {
      assertOpen();
      checkActor(actor);
      if (events.length === 0) throw new TypeError('no events to append');
      const { head, serverMs } = await readServerHead();
      if (head.hash !== expectedHash)
        throw new LedgerConflict(`ledger head is entry ${head.sequence}, not the one expected`);
      const entries = linkEntries(head, now(), actor, events);
      await append(head, entries, serverMs);
      return entries;
    },
    async restore(entries) {
      assertOpen();
      const [first] = entries;
      if (first === undefined) return;
      const { head, serverMs } = await readExpectedHead(first);
      await append(head, entries, serverMs);
    },
    async extent() {
      assertOpen();
      const [firstId, firstHash, lastId, lastHash, count] = (await connection.call((client) =>
        runScript(client, extentScript, key, []),
      )) as [string, string, string, string, string];
      return {
        first: firstId === '' ? undefined : { sequence: sequenceOf(firstId, 1), hash: firstHash },
        last: { sequence: sequenceOf(lastId, 0), hash: lastHash },
        count: count === '' ? undefined : Number(count),
      };
    },
    async firstFrom(sequence) {
      assertOpen();
      const [element] = await readRange(idOf(sequence), '+', 1);
      return element === undefined ? undefined : parseElement(element, sequence);
    },
    async replaceWith(entries) {
      assertOpen();
      return replaceStream({
        connection,
        key,
        entries,
        readAfter,
        async appendTo(draft, batch) {
          const [first] = batch;
          if (first === undefined) return;
          const { head: expected, serverMs } = await readExpectedHead(first, draft);
          // What counts for replicas is that it takes the ledger's place, not each step before.
          const aside = { ...address, waitForReplicas: 0, key: draft };
          await appendToStream({ ...aside, connection, timeouts, expected, entries: batch, serverMs });
        },
      });
    },
    async head() {
      assertOpen();
      return readHead();
    },
    async hashAt(sequence) {
      assertOpen();
      return hashAt(sequence);
    },
    async *read(afterSequence) {
      assertOpen();
      yield* readAfter(await headAt(afterSequence));
    },
    async *follow(afterSequence, signal) {
      if (closed.signal.aborted || signal.aborted) return;
      const ended = AbortSignal.any([signal, closed.signal]);
      // A blocked connection answers nothing else.
      const blocking = openRedisConnection(address, {
        ...timeouts,
        silenceMs: blockMs + timeouts.silenceMs,
      });
      const stop = (): void => blocking.close();
      ended.addEventListener('abort', stop);
      try {
        let head = await headAt(afterSequence);
        while (!ended.aborted) {
          const after = idOf(head.sequence);
          const found = await blocking.call((client) =>
            client.xread('COUNT', entriesAtOnce, 'BLOCK', blockMs, 'STREAMS', key, after),
          );
          const elements = found?.[0]?.[1] ?? [];
          for (const entry of parseChain(elements, head)) {
            yield entry;
            if (ended.aborted) return;
            head = headOf(entry);
          }
          // A stream that lost its end would let us wait for ever.
          if (elements.length === 0 && (await hashAt(head.sequence)) !== head.hash)
            throw new LedgerCorrupt(head.sequence, `${address.name} has lost ledger entry ${head.sequence}`);
          options.onConfirmed?.();
        }
      } catch (error) {
        // Ended while it waited or read: the end of following, not a failure.
        if (!ended.aborted) throw error;
      } finally {
        ended.removeEventListener('abort', stop);
        blocking.close();
      }
    },
    async close() {
      if (closed.signal.aborted) return;
      closed.abort();
      connection.close();
    },
  };
}
