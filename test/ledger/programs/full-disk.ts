import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LedgerUnavailable } from '../../../src/ledger/ledger.ts';
import { openSqliteLedger } from '../../../src/ledger/sqlite/sqlite-ledger.ts';
import { openLedgerStore } from '../../../src/ledger/store.ts';
import { created, networkPut } from '../samples.ts';

/** Runs on a small file system of its own (argument 1), fills it, and prints as JSON what happened. */
const directory = process.argv[2] ?? '';
const path = join(directory, 'ledger.db');
const filler = join(directory, 'filler');

const errorName = (work: () => unknown): string => {
  try {
    work();
    return 'none';
  } catch (error) {
    return (error as Error).name;
  }
};

const fill = (): void => {
  for (let size = 65_536; size >= 1; size = Math.floor(size / 2))
    while (errorName(() => writeFileSync(filler, Buffer.alloc(size), { flag: 'a' })) === 'none');
};

const ledger = openSqliteLedger(path, { create: true });
const store = await openLedgerStore(ledger, { snapshotPath: join(directory, 'snapshot') });
await store.commit('test', () => ({ events: [created], value: 'done' }));
const put = (name: string): Promise<unknown> =>
  store.commit('test', () => ({ events: [networkPut(name), networkPut(`${name}-2`)], value: 'done' }));

fill();
const answers: unknown[] = [];
for (let i = 0; i < 100; i += 1) answers.push(await put(`n${i}`));
const whileFull = {
  done: answers.filter((answer) => answer === 'done').length,
  refused: answers.filter((answer) => answer !== 'done').map((answer) => (answer as { code: string }).code),
  stateSequence: store.state.head.sequence,
  ledgerSequence: (await ledger.head()).sequence,
};
rmSync(filler);
const afterwards = { answer: await put('room'), sequence: store.state.head.sequence };
fill();
await store.close();
rmSync(filler);
const reopened = openSqliteLedger(path);
const reopenedSequence = (await reopened.head()).sequence;
await reopened.close();

execFileSync('mount', ['-o', 'remount,ro', directory]);
const readOnly = {
  open: errorName(() => openSqliteLedger(path)),
  create: errorName(() => openSqliteLedger(join(directory, 'other.db'), { create: true })),
  isUnavailable: LedgerUnavailable.name,
};
console.log(
  JSON.stringify({ whileFull, afterwards, reopenedSequence, readOnly, files: readdirSync(directory).sort() }),
);
