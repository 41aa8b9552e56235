import { afterEach, describe, expect, it } from 'vitest';
import type { ControlEvent, LedgerEntry } from '../../src/domain/events.ts';
import { genesisHead, headOf, verifyEntry } from '../../src/ledger/chain.ts';
import { LedgerConflict, LedgerUnavailable } from '../../src/ledger/ledger.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { created, networkPut } from './samples.ts';

/** One log that lasts, and the handles that a test opens on it: two of them are two writers. */
export interface FreshLedger {
  open(): Promise<Ledger>;
  /** Closes every handle and removes the log. */
  dispose(): Promise<void>;
}

/** What every implementation of the ledger has to do. `openFresh` makes an empty log of its own for each test. */
export function ledgerContract(name: string, openFresh: () => Promise<FreshLedger>): void {
  describe(`${name} as a ledger`, () => {
    const cleanUps: (() => Promise<void>)[] = [];
    afterEach(async () => {
      for (const cleanUp of cleanUps.splice(0)) await cleanUp();
    });
    const fresh = async (): Promise<FreshLedger> => {
      const ledger = await openFresh();
      cleanUps.push(() => ledger.dispose());
      return ledger;
    };
    const open = async (): Promise<Ledger> => (await fresh()).open();
    const readAll = (ledger: Ledger, after = 0): Promise<LedgerEntry[]> =>
      Array.fromAsync(ledger.read(after));

    it('starts empty, at sequence 0 and a hash of zeros', async () => {
      const ledger = await open();
      expect(await ledger.head()).toEqual({ sequence: 0, hash: '0'.repeat(64) });
      expect(await readAll(ledger)).toEqual([]);
    });

    it('gives back what was appended, in order, with who and when, each linked to the one before', async () => {
      const ledger = await open();
      const before = Date.now();
      const first = await ledger.append(genesisHead.hash, 'postern:init', [created]);
      const second = await ledger.append(first[0]?.hash ?? '', 'api-key:Zoé', [
        networkPut('a'),
        networkPut('b'),
      ]);
      const entries = await readAll(ledger);
      expect(entries).toEqual([...first, ...second]);
      expect(
        entries.map((entry) => [entry.sequence, entry.actor, JSON.parse(entry.data) as unknown]),
      ).toEqual([
        [1, 'postern:init', created],
        [2, 'api-key:Zoé', networkPut('a')],
        [3, 'api-key:Zoé', networkPut('b')],
      ]);
      let head = genesisHead;
      for (const entry of entries) {
        verifyEntry(head, entry);
        head = headOf(entry);
        expect(entry.at).toBeGreaterThanOrEqual(before);
        expect(entry.at).toBeLessThanOrEqual(Date.now());
      }
      expect(await ledger.head()).toEqual(head);
    });

    it('reads only what comes after a sequence number, and refuses one that it does not have', async () => {
      const ledger = await open();
      const entries = await ledger.append(genesisHead.hash, 'test', [
        created,
        networkPut('a'),
        networkPut('b'),
      ]);
      expect(await readAll(ledger, 1)).toEqual(entries.slice(1));
      expect(await readAll(ledger, 3)).toEqual([]);
      await expect(readAll(ledger, 4)).rejects.toThrow(RangeError);
    });

    it('reads thousands of entries without a gap', async () => {
      const ledger = await open();
      const events = Array.from({ length: 2500 }, (_, i) => networkPut(`n${i}`));
      const appended = await ledger.append(genesisHead.hash, 'test', events);
      expect(await readAll(ledger)).toEqual(appended);
    });

    it('refuses an append after a head that is not the last, and changes nothing', async () => {
      const ledger = await open();
      const [first] = await ledger.append(genesisHead.hash, 'test', [created]);
      await ledger.append(first?.hash ?? '', 'test', [networkPut('a')]);
      await expect(ledger.append(first?.hash ?? '', 'test', [networkPut('b')])).rejects.toThrow(
        LedgerConflict,
      );
      await expect(ledger.append(genesisHead.hash, 'test', [created])).rejects.toThrow(LedgerConflict);
      await expect(ledger.append('f'.repeat(64), 'test', [networkPut('b')])).rejects.toThrow(LedgerConflict);
      expect((await ledger.head()).sequence).toBe(2);
    });

    it('lets exactly one of a hundred appends after the same head win, round after round', async () => {
      const log = await fresh();
      const writers = await Promise.all(Array.from({ length: 5 }, () => log.open()));
      for (let round = 0; round < 3; round += 1) {
        const { hash } = await (writers[0] as Ledger).head();
        const results = await Promise.allSettled(
          Array.from({ length: 100 }, (_, i) =>
            (writers[i % 5] as Ledger).append(hash, `test:${i}`, [networkPut(`n${round}-${i}`)]),
          ),
        );
        expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
        for (const result of results)
          if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(LedgerConflict);
      }
      expect(await readAll(writers[1] as Ledger)).toHaveLength(3);
    });

    it('appends all events or none', async () => {
      const ledger = await open();
      const unstorable = { toJSON: () => undefined } as unknown as ControlEvent;
      await expect(ledger.append(genesisHead.hash, 'test', [created, unstorable])).rejects.toThrow(TypeError);
      expect(await readAll(ledger)).toEqual([]);
      await ledger.append(genesisHead.hash, 'test', [created, networkPut('a')]);
      expect(await readAll(ledger)).toHaveLength(2);
    });

    it.each(['', 'a\nb', 'a\u0000b', 'x'.repeat(301)])('refuses %j as an actor', async (actor) => {
      const ledger = await open();
      await expect(ledger.append(genesisHead.hash, actor, [created])).rejects.toThrow(TypeError);
      expect((await ledger.head()).sequence).toBe(0);
    });

    it('follows: first what is there, then what is appended later, by itself or by another writer', async () => {
      const log = await fresh();
      const [reader, writer] = [await log.open(), await log.open()];
      const [first] = await reader.append(genesisHead.hash, 'test', [created]);
      const stop = new AbortController();
      const followed = reader.follow(0, stop.signal)[Symbol.asyncIterator]();
      expect((await followed.next()).value).toEqual(first);
      const waiting = followed.next();
      const [second] = await writer.append(first?.hash ?? '', 'test', [networkPut('a')]);
      expect((await waiting).value).toEqual(second);
      const waitingAgain = followed.next();
      const [third] = await reader.append(second?.hash ?? '', 'test', [networkPut('b')]);
      expect((await waitingAgain).value).toEqual(third);
      stop.abort();
      expect(await followed.next()).toEqual({ done: true, value: undefined });
    });

    it('follows for several readers at once, each from where it wants', async () => {
      const ledger = await open();
      const entries = await ledger.append(genesisHead.hash, 'test', [created, networkPut('a')]);
      const stop = new AbortController();
      const fromStart = ledger.follow(0, stop.signal)[Symbol.asyncIterator]();
      const fromEnd = ledger.follow(2, stop.signal)[Symbol.asyncIterator]();
      const waiting = fromEnd.next();
      expect((await fromStart.next()).value).toEqual(entries[0]);
      const [third] = await ledger.append(entries[1]?.hash ?? '', 'test', [networkPut('b')]);
      expect((await waiting).value).toEqual(third);
      expect((await fromStart.next()).value).toEqual(entries[1]);
      expect((await fromStart.next()).value).toEqual(third);
      stop.abort();
    });

    it('ends following when the signal aborts while it waits', async () => {
      const ledger = await open();
      const stop = new AbortController();
      const followed = Array.fromAsync(ledger.follow(0, stop.signal));
      setImmediate(() => stop.abort());
      expect(await followed).toEqual([]);
    });

    it('ends following when it is closed, and refuses all else from then on', async () => {
      const ledger = await open();
      const followed = Array.fromAsync(ledger.follow(0, new AbortController().signal));
      setImmediate(() => void ledger.close());
      expect(await followed).toEqual([]);
      await expect(ledger.head()).rejects.toThrow(LedgerUnavailable);
      await expect(readAll(ledger)).rejects.toThrow(LedgerUnavailable);
      await expect(ledger.append(genesisHead.hash, 'test', [created])).rejects.toThrow(LedgerUnavailable);
      await ledger.close();
    });

    it('keeps everything when it is closed and opened again', async () => {
      const log = await fresh();
      const ledger = await log.open();
      const first = await ledger.append(genesisHead.hash, 'test', [created]);
      await ledger.close();
      const reopened = await log.open();
      expect(await readAll(reopened)).toEqual(first);
      const second = await reopened.append(first[0]?.hash ?? '', 'test', [networkPut('a')]);
      expect(await readAll(reopened)).toEqual([...first, ...second]);
    });
  });
}
