import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LedgerEntry } from '../../src/domain/events.ts';
import { genesisHead } from '../../src/ledger/chain.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/sqlite-ledger.ts';
import { openLedgerStore } from '../../src/ledger/store.ts';
import { created } from './samples.ts';

let directory: string;
let path: string;
let child: ChildProcessByStdio<null, Readable, null> | undefined;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'postern-processes-'));
  path = join(directory, 'ledger.db');
  const ledger = openSqliteLedger(path, { create: true });
  await ledger.append(genesisHead.hash, 'test', [created]);
  await ledger.close();
});
afterEach(async () => {
  if (child !== undefined) await killed(child);
  child = undefined;
  rmSync(directory, { recursive: true });
});

const startAppending = (): ChildProcessByStdio<null, Readable, null> => {
  const program = fileURLToPath(new URL('programs/appending.ts', import.meta.url));
  return spawn(process.execPath, [program, path], { stdio: ['ignore', 'pipe', 'inherit'] });
};

async function killed(process: ChildProcessByStdio<null, Readable, null>): Promise<void> {
  if (process.exitCode !== null || process.signalCode !== null) return;
  const exit = once(process, 'exit');
  process.kill('SIGKILL');
  await exit;
}

describe('a ledger that several processes have open', () => {
  it('loses nothing that was acknowledged when its writer is killed in the middle of its work', async () => {
    for (let round = 0; round < 3; round += 1) {
      child = startAppending();
      const acknowledged: string[] = [];
      for await (const line of createInterface({ input: child.stdout })) {
        acknowledged.push(line);
        if (acknowledged.length === 20) child.kill('SIGKILL');
      }
      await killed(child);
      const ledger = openSqliteLedger(path);
      const stored = new Set<string>();
      for await (const entry of ledger.read(0)) stored.add(`${entry.sequence} ${entry.hash}`);
      await ledger.close();
      expect(acknowledged.length).toBeGreaterThanOrEqual(20);
      expect(acknowledged.filter((line) => !stored.has(line))).toEqual([]);
    }
  });

  it('brings what another process appends into the state and to listeners, in order', async () => {
    const store = await openLedgerStore(openSqliteLedger(path));
    const heard: LedgerEntry[] = [];
    const enough = new Promise<void>((resolve) => {
      store.onEntries((entries) => {
        heard.push(...entries);
        if (heard.length >= 10) resolve();
      });
    });
    child = startAppending();
    await enough;
    await killed(child);
    expect(heard.map(({ sequence }) => sequence)).toEqual(heard.map((_, i) => i + 2));
    expect(store.state.head.sequence).toBeGreaterThanOrEqual(11);
    expect(store.state.networks.size).toBe(store.state.head.sequence - 1);
    await store.close();
  });

  it('commits among the appends of another process, deciding again when it was overtaken', async () => {
    const store = await openLedgerStore(openSqliteLedger(path));
    child = startAppending();
    await once(child.stdout, 'data');
    const answers: unknown[] = [];
    for (let i = 0; i < 10; i += 1)
      answers.push(
        await store.commit('test', (state) => ({
          events: [
            {
              type: 'resource-put',
              resource: { kind: 'Group', name: `g${i}`, members: [`at-${state.head.sequence}`] },
            },
          ],
          value: state.head.sequence,
        })),
      );
    const ledger = openSqliteLedger(path);
    const ours = (await Array.fromAsync(ledger.read(0))).filter(({ actor }) => actor === 'test').slice(1);
    await ledger.close();
    // Each was decided on the very state that it was appended to.
    expect(ours.map(({ sequence }) => sequence - 1)).toEqual(answers);
    expect(ours).toHaveLength(10);
    await store.close();
  });
});
