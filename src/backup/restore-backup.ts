import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseDocument } from 'yaml';
import { dataDirectory, signingKeyPath } from '../contract/data-directory.ts';
import type { ControlState } from '../domain/control-state.ts';
import type { Device } from '../domain/device.ts';
import type { ControlEvent } from '../domain/events.ts';
import { checkEvents } from '../ledger/check-events.ts';
import { applyEntry, copyState } from '../ledger/fold.ts';
import { LedgerUnavailable } from '../ledger/ledger.ts';
import { importEntries } from '../ledger/sqlite/import-entries.ts';
import { openSqliteLedger } from '../ledger/sqlite/sqlite-ledger.ts';
import type { Unlock } from './age-file.ts';
import { BackupError } from './backup-error.ts';
import { stageInto } from './empty-directory.ts';
import type { Staging } from './empty-directory.ts';
import { keepRestrictions, withdrawTokens } from './keep-restrictions.ts';
import { foldBeyond } from './read-beyond.ts';
import { findSurvivors, readSurvivor } from './read-survivor.ts';
import type { Survivor } from './read-survivor.ts';
import { rejectProposals } from './reject-proposals.ts';
import { verifyBackup } from './take-backup.ts';
import type { BackupSummary, Progress } from './take-backup.ts';

export interface RestoreOptions {
  readonly file: string;
  readonly unlock: Unlock;
  /** Empty, or not there yet. */
  readonly directory: string;
  /** Data directories, ledger files or settings that outlived the installation: what they took from someone stays taken. */
  readonly survivors: readonly string[];
  /** To append after all else. */
  readonly events?: readonly ControlEvent[];
  /** Epoch milliseconds. */
  readonly now: number;
  readonly progress: Progress;
}

export interface Restored extends BackupSummary {
  /** The ledgers that revocations were kept from. */
  readonly survivors: readonly string[];
  /** What was appended to the ledger of the backup. */
  readonly appended: readonly ControlEvent[];
  readonly enrolledSince: readonly Device[];
  readonly changedSince: readonly string[];
  /** What is not known about the ledgers that survived. */
  readonly problems: readonly string[];
}

/**
 * Makes a data directory of a backup. Everything is verified before anything takes its place. What was revoked after the
 * backup stays so as far as a ledger survived to tell: those of `survivors`, and the one where the backup was taken.
 * @throws BackupError, or an error of node:fs; the directory is then as it was.
 */
export async function restoreBackup(options: RestoreOptions): Promise<Restored> {
  const staging = await stageInto(options.directory);
  try {
    const restored = await fill(staging, options);
    await staging.finish();
    return restored;
  } catch (error) {
    await staging.abandon();
    throw isOfDisk(error, staging.path)
      ? new BackupError(
          'refused',
          `${options.directory} cannot be written, and was left as it was; is its disk full? ${(error as Error).message}`,
          { cause: error },
        )
      : error;
  }
}

/** The ledger that is made here is no server that cannot be reached; that of a survivor may be. */
const isOfDisk = (error: unknown, staging: string): boolean =>
  error instanceof LedgerUnavailable
    ? error.message.includes(staging)
    : error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT');

async function fill(staging: Staging, options: RestoreOptions): Promise<Restored> {
  const summary = await unpack(staging, options);
  const { manifest, state } = summary;
  const places = placesToAsk(options, manifest.directory);
  const survivors = await Promise.all(places.map((place) => readSurvivor(place, staging.path)));
  for (const [index, survivor] of survivors.entries())
    if (!isOfThis(survivor, summary))
      throw new BackupError('refused', `${places[index]}: this is the ledger of another installation`);

  const events: ControlEvent[] = [
    { type: 'installation-restored', from: knownUntil(manifest.createdAt, survivors) },
  ];
  const backup = copyState(state);
  events.push(...withdrawTokens(state));
  events.push(...rejectProposals(state, survivors, manifest.head.sequence));
  await append(staging.path, state, events, options.now);
  const enrolledSince = new Map<string, Device>();
  const changedSince = new Set<string>();
  for (const survivor of survivors) {
    const isLater = survivor.state.head.sequence >= manifest.head.sequence;
    const later = foldBeyond(isLater ? survivor.state : backup, survivor.beyond);
    const difference = keepRestrictions(
      state,
      survivor.beyond.length === 0 ? survivor.state : later,
      manifest.head.sequence,
    );
    events.push(...difference.events);
    await append(staging.path, state, difference.events, options.now);
    for (const device of difference.enrolledSince) enrolledSince.set(device.id, device);
    for (const name of difference.changedSince) changedSince.add(name);
  }
  await append(staging.path, state, options.events ?? [], options.now);
  for (const { kid, use, retiredAt } of state.signingKeys.values())
    if (retiredAt !== undefined) await rm(join(staging.path, signingKeyPath(use, kid)), { force: true });
  return {
    ...summary,
    survivors: places,
    appended: events,
    enrolledSince: [...enrolledSince.values()],
    changedSince: [...changedSince],
    problems: survivors.flatMap(({ problem }) => (problem === undefined ? [] : [problem])),
  };
}

type Unpacked = BackupSummary & { readonly firstHash: string };

async function unpack(staging: Staging, { file, unlock, progress }: RestoreOptions): Promise<Unpacked> {
  const ledger = importEntries(join(staging.path, dataDirectory.ledger));
  let firstHash = '';
  try {
    const summary = await verifyBackup(file, unlock, progress, {
      file: ({ path, bytes, mode }) =>
        staging.write(path, path === dataDirectory.settings ? settingsHere(bytes) : bytes, mode),
      entries: async (entries) => {
        firstHash ||= entries[0]?.hash ?? '';
        ledger.add(entries);
      },
    });
    ledger.finish();
    return { ...summary, firstHash };
  } catch (error) {
    ledger.abandon();
    throw error;
  }
}

/** The settings may have been elsewhere, and have named the data directory; now they lie in it. */
function settingsHere(bytes: Buffer): Buffer {
  const document = parseDocument(bytes.toString('utf8'));
  if (document.errors.length > 0 || document.get('data') === '.') return bytes;
  document.set('data', '.');
  return Buffer.from(String(document));
}

/** The directory where the backup was taken is asked by itself: it is the one that went on after the backup. */
function placesToAsk({ directory, survivors }: RestoreOptions, origin: string): string[] {
  const places = new Set(survivors.flatMap((place) => findSurvivors(resolve(place))));
  const isElsewhere = resolve(origin) !== resolve(directory);
  const isThere = [dataDirectory.ledger, dataDirectory.replica].some((name) =>
    existsSync(join(origin, name)),
  );
  if (isElsewhere && isThere) for (const path of findSurvivors(resolve(origin))) places.add(path);
  return [...places];
}

/** Until when all that happened is known: only a ledger that is whole can say more than the backup. Epoch seconds. */
const knownUntil = (createdAt: number, survivors: readonly Survivor[]): number =>
  Math.max(createdAt, ...survivors.map(({ problem, lastAt }) => (problem === undefined ? lastAt : 0)));

async function append(
  directory: string,
  state: ControlState,
  events: readonly ControlEvent[],
  now: number,
): Promise<void> {
  if (events.length === 0) return;
  const problem = checkEvents(state, events);
  if (problem !== undefined)
    throw new BackupError(
      'refused',
      `what was revoked cannot be carried over: ${problem.detail ?? problem.code}`,
    );
  const ledger = openSqliteLedger(join(directory, dataDirectory.ledger), { now: () => now });
  try {
    for (const entry of await ledger.append(state.head.hash, 'postern:restore', events))
      applyEntry(state, entry);
  } finally {
    await ledger.close();
  }
}

/** By its first entry, or where that is damaged, by the one that the backup ends with. */
function isOfThis({ firstHash, beyond }: Survivor, { firstHash: known, manifest }: Unpacked): boolean {
  if (firstHash !== '') return firstHash === known;
  const { sequence, hash } = manifest.head;
  return beyond.every((entry) => entry.sequence !== sequence || entry.hash === hash);
}
