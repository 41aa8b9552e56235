/**
 * The attack (smallstep/certificates #10 and #606): revocations are rows in a database, and whoever puts an older copy
 * of it back, replays an old event, or removes the last rows has un-revoked a stolen laptop without a trace. Here the
 * revocation is an entry of a hash-chained ledger, from which nothing leads back: no event gives a revoked or lost
 * device another chance, the store refuses to append one, the fold refuses to read one, and a ledger whose end was
 * cut off, or which is older than what was acknowledged or folded, does not open.
 */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ControlEvent } from '../../src/domain/events.ts';
import type { DeviceId } from '../../src/domain/ids.ts';
import { findContradiction } from '../../src/ledger/contradiction.ts';
import { applyEvent } from '../../src/ledger/fold.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/sqlite-ledger.ts';
import { openLedgerStore } from '../../src/ledger/store.ts';
import type { LedgerStore } from '../../src/ledger/store.ts';
import { certificate, created, deviceState, enrolled, stateOf, tokenCreated } from '../ledger/samples.ts';

const laptop = 'stolen' as DeviceId;
const past = [created, tokenCreated('t1'), enrolled(laptop, 't1')];

let directory: string;
let path: string;
let snapshotPath: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'postern-unrevoke-'));
  path = join(directory, 'ledger.db');
  snapshotPath = join(directory, 'ledger.snapshot');
});
afterEach(() => rmSync(directory, { recursive: true }));

async function open(): Promise<LedgerStore> {
  const ledger = openSqliteLedger(path, { create: true });
  try {
    return await openLedgerStore(ledger, { snapshotPath });
  } catch (error) {
    await ledger.close();
    throw error;
  }
}
const commit = (store: LedgerStore, ...events: readonly ControlEvent[]): Promise<unknown> =>
  store.commit('test', () => ({ events, value: 'done' }));

describe('a revocation', () => {
  it.each(['revoked', 'lost'] as const)('to %s is final, where quarantine is not', async (final) => {
    const store = await open();
    await commit(store, ...past);
    expect(await commit(store, deviceState(laptop, 'quarantined'))).toBe('done');
    expect(await commit(store, deviceState(laptop, 'active'))).toBe('done');
    expect(await commit(store, deviceState(laptop, final))).toBe('done');
    for (const state of ['active', 'quarantined'] as const)
      expect(await commit(store, deviceState(laptop, state))).toMatchObject({ code: 'state-final' });
    expect(
      await commit(store, {
        type: 'device-certificate-renewed',
        device: laptop,
        certificate: certificate('new'),
      }),
    ).toMatchObject({ code: 'state-final' });
    expect(await commit(store, tokenCreated('t2'), enrolled(laptop, 't2'))).toMatchObject({
      code: 'conflict',
    });
    expect(store.state.devices.get(laptop)).toMatchObject({
      state: final,
      certificates: [certificate(laptop)],
    });
    await store.close();
  });

  it('survives whatever events come after it, in any order', () => {
    const event = fc.oneof(
      fc
        .constantFrom('active', 'quarantined', 'revoked', 'lost')
        .map((state) => deviceState(laptop, state as 'active')),
      fc.nat({ max: 5 }).map((n) => tokenCreated(`n${n}`)),
      fc.nat({ max: 5 }).map((n) => enrolled(laptop, `n${n}`)),
      fc.string({ maxLength: 3 }).map(
        (name): ControlEvent => ({
          type: 'device-certificate-renewed',
          device: laptop,
          certificate: certificate(name),
        }),
      ),
    );
    let applied = 0;
    fc.assert(
      fc.property(fc.array(event, { maxLength: 20 }), (events) => {
        const state = stateOf(...past, deviceState(laptop, 'revoked'));
        for (const next of events) {
          if (findContradiction(state, next) !== undefined) continue;
          applyEvent(state, next, { at: 0, actor: 'x' });
          applied += 1;
        }
        const device = state.devices.get(laptop);
        expect(['revoked', 'lost']).toContain(device?.state);
        expect(device?.certificates).toEqual([certificate(laptop)]);
      }),
    );
    expect(applied).toBeGreaterThan(0);
  });

  it('is not undone by putting an older copy of the database back', async () => {
    const store = await open();
    await commit(store, ...past);
    await store.close();
    const older = join(directory, 'older.db');
    copyFileSync(path, older);
    const again = await open();
    await commit(again, deviceState(laptop, 'revoked'));
    await again.close();
    copyFileSync(older, path);
    await expect(open()).rejects.toThrow('was cut off: it ends at entry 3, and entry 4 was acknowledged');
    // Nor with the head file of that time, while the fold's own snapshot remembers.
    writeFileSync(`${path}.head`, `3 ${store.state.head.hash}\n`);
    await expect(open()).rejects.toThrow('ledger does not have entry 4');
    expect(readFileSync(snapshotPath, 'utf8')).toContain('"state":"revoked"');
  });
});
