import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import packageFile from '../../package.json' with { type: 'json' };
import { dataDirectory, dataFormat, signingKeyPath } from '../contract/data-directory.ts';
import type { ControlState } from '../domain/control-state.ts';
import { syncDirectory } from '../ledger/durable-file.ts';
import type { LedgerReader } from '../ledger/ledger.ts';
import { loadState } from '../ledger/load-state.ts';
import { lock, unlock } from './age-file.ts';
import type { Lock, Unlock } from './age-file.ts';
import { archiveFormat } from './archive-format.ts';
import type { Manifest } from './archive-format.ts';
import { BackupError } from './backup-error.ts';
import { collectFiles } from './collect-files.ts';
import type { CollectedFile } from './collect-files.ts';
import { ledgerPieces } from './ledger-lines.ts';
import { missingKeys, readArchive } from './read-archive.ts';
import type { ArchiveContents, ArchiveSink } from './read-archive.ts';
import { archiveStream } from './write-archive.ts';

export type Progress = (what: 'writing' | 'verifying' | 'reading', done: number, of: number) => void;

export interface BackupOptions {
  readonly directory: string;
  /** Text of the settings file, which may lie elsewhere. */
  readonly settings: Buffer;
  readonly ledger: LedgerReader;
  /** Other servers write it as well, with signing keys of their own. */
  readonly isShared: boolean;
  /** Where the backup goes; replaced where it exists. */
  readonly file: string;
  readonly lock: Lock;
  /** Epoch milliseconds. */
  readonly now: number;
  readonly progress: Progress;
}

export interface BackupSummary extends ArchiveContents {
  readonly bytes: number;
  /** Of the file, lower-case hexadecimal. */
  readonly sha256: string;
}

export interface TakenBackup extends BackupSummary {
  readonly leftOut: readonly string[];
}

/**
 * Takes a backup of an installation, which may be running: all of one moment, since the ledger only grows. It is
 * written beside its place, read back from there, decrypted and verified to the last entry, and only then given its
 * name. @throws BackupError, LedgerCorrupt, LedgerUnavailable, or an error of node:fs; nothing is left behind then.
 */
export async function takeBackup(options: BackupOptions): Promise<TakenBackup> {
  const { file, directory, ledger, progress } = options;
  const { state, files, leftOut } = await collectConsistently(options);
  const { head, domain } = state;
  const manifest: Manifest = {
    format: archiveFormat,
    postern: packageFile.version,
    dataFormat,
    createdAt: Math.floor(options.now / 1000),
    domain,
    host: hostname(),
    directory,
    isShared: options.isShared,
    head,
  };
  const pieces = ledgerPieces(ledger.read(0), head, (sequence) =>
    progress('writing', sequence, head.sequence),
  );
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    const locked = await lock(archiveStream({ manifest, files, ledger: pieces }), options.lock);
    await pipeline(locked.bytes, createWriteStream(temporary, { flags: 'wx', mode: 0o600, flush: true }));
    const summary = await verifyBackup(temporary, locked.unlock, (_, done, of) =>
      progress('verifying', done, of),
    );
    if (summary.manifest.head.hash !== head.hash || summary.paths.length !== files.length)
      throw new BackupError('damaged', 'what was read back is not what was written');
    await rename(temporary, file);
    syncDirectory(dirname(file));
    return { ...summary, leftOut };
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

const maxAttempts = 5;

/**
 * Files first, then the ledger, so that a key that the ledger retires meanwhile is there all the same; one that it
 * publishes meanwhile is not, and all is looked at again.
 */
async function collectConsistently({ directory, settings, ledger, isShared }: BackupOptions): Promise<{
  readonly state: ControlState;
  readonly files: readonly CollectedFile[];
  readonly leftOut: readonly string[];
}> {
  for (let attempt = 1; ; attempt += 1) {
    const { files: found, leftOut } = await collectFiles(directory);
    const snapshot = join(directory, `${dataDirectory.ledger}.snapshot`);
    const { state } = await loadState(ledger, snapshot, () => undefined);
    const inUse = new Set(
      [...state.signingKeys.values()]
        .filter(({ retiredAt }) => retiredAt === undefined)
        .map(({ use, kid }) => signingKeyPath(use, kid)),
    );
    const files = [
      ...found.filter(
        ({ path }) =>
          path !== dataDirectory.settings && (!path.startsWith(dataDirectory.signingKeys) || inUse.has(path)),
      ),
      { path: dataDirectory.settings, mode: 0o644, bytes: settings },
    ];
    const missing = missingKeys(
      state,
      files.map(({ path }) => path),
    );
    if (missing.length === 0 || isShared) return { state, files, leftOut };
    if (attempt === maxAttempts)
      throw new BackupError(
        'refused',
        `${directory} has lost ${missing.join(', ')}: a backup without is none`,
      );
  }
}

const nowhere: ArchiveSink = { file: async () => undefined, entries: async () => undefined };

/** Opens a backup, reads it to its end, and says what is in it. Writes nothing but to the sink. @throws BackupError */
export async function verifyBackup(
  file: string,
  how: Unlock,
  progress: Progress,
  sink: ArchiveSink = nowhere,
): Promise<BackupSummary> {
  const { size } = await stat(file);
  const sha256 = createHash('sha256');
  let read = 0;
  const source = Readable.toWeb(createReadStream(file, { highWaterMark: 1 << 20 })).pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(piece, controller) {
        sha256.update(piece);
        read += piece.length;
        progress('reading', read, size);
        controller.enqueue(piece);
      },
    }),
  );
  const contents = await readArchive(await unlock(source, how), sink);
  return { ...contents, bytes: size, sha256: sha256.digest('hex') };
}
