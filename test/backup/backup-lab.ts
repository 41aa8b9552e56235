import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import type { Lock, Unlock } from '../../src/backup/age-file.ts';
import { takeBackup } from '../../src/backup/take-backup.ts';
import type { TakenBackup } from '../../src/backup/take-backup.ts';
import type { ControlEvent } from '../../src/domain/events.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/sqlite-ledger.ts';
import type { Installation } from '../control/installation.ts';

export const silent = (): void => undefined;

/** A key pair of age: quick, where a passphrase costs a second on purpose. */
export async function keyPair(): Promise<{
  lock: Lock;
  unlock: Unlock;
  identity: string;
  recipient: string;
}> {
  const identity = await generateX25519Identity();
  const recipient = await identityToRecipient(identity);
  return { lock: { recipients: [recipient] }, unlock: { identities: [identity] }, identity, recipient };
}

export const openLedger = ({ data }: Installation): Ledger => openSqliteLedger(join(data, 'ledger.db'));

export async function append({ data }: Installation, ...events: readonly ControlEvent[]): Promise<void> {
  const ledger = openSqliteLedger(join(data, 'ledger.db'));
  await ledger.append((await ledger.head()).hash, 'test', events);
  await ledger.close();
}

/** As `postern backup` does it. */
export async function backUp(made: Installation, file: string, lock: Lock): Promise<TakenBackup> {
  const ledger = openLedger(made);
  try {
    return await takeBackup({
      directory: made.data,
      settings: await readFile(made.configFile),
      ledger,
      isShared: false,
      file,
      lock,
      now: Date.now(),
      progress: silent,
    });
  } finally {
    await ledger.close();
  }
}
