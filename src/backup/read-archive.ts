import { hash } from 'node:crypto';
import { extract } from 'tar-stream';
import type { Extract, Header } from 'tar-stream';
import { dataFormat, signingKeyPath } from '../contract/data-directory.ts';
import type { ControlState } from '../domain/control-state.ts';
import type { LedgerEntry } from '../domain/events.ts';
import { genesisHead, headOf, verifyEntry } from '../ledger/chain.ts';
import { applyEntry, emptyState } from '../ledger/fold.ts';
import { LedgerCorrupt } from '../ledger/ledger.ts';
import { isMemberPath, maxMemberBytes, members, parseManifest, requiredPaths } from './archive-format.ts';
import type { Manifest } from './archive-format.ts';
import { BackupError } from './backup-error.ts';
import type { CollectedFile } from './collect-files.ts';
import { parseLedgerPiece } from './ledger-lines.ts';

type Member = AsyncIterable<unknown> & { readonly header: Header };

/** Takes what is read, while it is read: nothing of it counts before the reading has ended well. */
export interface ArchiveSink {
  file(file: CollectedFile): Promise<void>;
  /** Some of the ledger's entries, verified link by link. */
  entries(entries: readonly LedgerEntry[]): Promise<void>;
}

export interface ArchiveContents {
  readonly manifest: Manifest;
  readonly paths: readonly string[];
  /** The fold of the ledger. */
  readonly state: ControlState;
}

/**
 * Reads the tar of a backup to its end and looks at everything: order and names of its members, their sums, the hash
 * chain of the ledger and what it folds to, and that all is there that a server needs.
 * @throws BackupError
 */
export async function readArchive(
  bytes: ReadableStream<Uint8Array>,
  sink: ArchiveSink,
): Promise<ArchiveContents> {
  const tar = extract();
  // An error of either side ends the other.
  const feeding = feed(bytes, tar);
  try {
    const [contents] = await Promise.all([readMembers(tar, sink), feeding]);
    return contents;
  } catch (error) {
    tar.destroy(error as Error);
    await feeding.catch(() => undefined);
    throw asBackupError(error);
  }
}

async function feed(bytes: ReadableStream<Uint8Array>, tar: Extract): Promise<void> {
  try {
    for await (const piece of bytes) {
      if (tar.destroyed) return;
      if (!tar.write(piece)) await drained(tar);
    }
    tar.end(null);
  } catch (error) {
    const cause = new BackupError('damaged', 'it was altered or cut off: a part of it does not decrypt', {
      cause: error,
    });
    tar.destroy(cause);
    throw cause;
  }
}

/** Resolves when it takes more, or nothing any more. */
function drained(tar: Extract): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      tar.off('drain', done);
      tar.off('close', done);
      resolve();
    };
    tar.on('drain', done);
    tar.on('close', done);
  });
}

async function readMembers(tar: AsyncIterable<Member>, sink: ArchiveSink): Promise<ArchiveContents> {
  let manifest: Manifest | undefined;
  const sums: string[] = [];
  const paths: string[] = [];
  const state = emptyState();
  let head = genesisHead;
  let isComplete = false;
  for await (const entry of tar) {
    const { name, mode, type } = entry.header;
    if (type !== 'file' || isComplete)
      throw new BackupError('damaged', `a member does not belong in it: ${JSON.stringify(name)}`);
    const bytes = await readWhole(entry);
    if (name === members.sums) {
      if (bytes.toString('utf8') !== sums.join(''))
        throw new BackupError('damaged', 'its sums are not those of its members');
      isComplete = true;
      continue;
    }
    sums.push(`${hash('sha256', bytes, 'hex')}  ${name}\n`);
    if (manifest === undefined) {
      manifest = parseManifest(name === members.manifest ? bytes : Buffer.alloc(0));
      checkDataFormat(manifest);
    } else if (name.startsWith(members.ledger)) {
      const entries = parseLedgerPiece(bytes);
      for (const one of entries) {
        verifyEntry(head, one);
        applyEntry(state, one);
        head = headOf(one);
      }
      await sink.entries(entries);
    } else {
      const path = name.slice(members.data.length);
      if (!name.startsWith(members.data) || !isMemberPath(path) || paths.includes(path))
        throw new BackupError('damaged', `a member does not belong in it: ${JSON.stringify(name)}`);
      paths.push(path);
      await sink.file({ path, mode, bytes });
    }
  }
  if (manifest === undefined || !isComplete)
    throw new BackupError('damaged', 'it ends before it is complete');
  checkContents(manifest, paths, state);
  return { manifest, paths, state };
}

async function readWhole(entry: Member): Promise<Buffer> {
  if (entry.header.size > maxMemberBytes)
    throw new BackupError('damaged', 'a member is larger than any of ours');
  const pieces: Buffer[] = [];
  for await (const piece of entry) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

function checkDataFormat(manifest: Manifest): void {
  if (manifest.dataFormat !== dataFormat)
    throw new BackupError(
      'refused',
      `it holds data of the format ${JSON.stringify(manifest.dataFormat)}, and this version of postern reads ${dataFormat} only: use postern ${manifest.postern}`,
    );
}

function checkContents(
  { head, domain, isShared }: Manifest,
  paths: readonly string[],
  state: ControlState,
): void {
  const missing = requiredPaths.filter((path) => !paths.includes(path));
  if (missing.length > 0) throw new BackupError('damaged', `it lacks ${missing.join(', ')}`);
  if (state.head.sequence !== head.sequence || state.head.hash !== head.hash || state.domain !== domain)
    throw new BackupError('damaged', 'its ledger is not the one that its manifest names');
  const keyless = isShared ? [] : missingKeys(state, paths);
  if (keyless.length > 0) throw new BackupError('damaged', `it lacks ${keyless.join(', ')}`);
}

/** Files of private signing keys that the ledger holds for in use, and that are not among `paths`. */
export function missingKeys(state: ControlState, paths: readonly string[]): string[] {
  const present = new Set(paths);
  return [...state.signingKeys.values()]
    .filter(({ retiredAt }) => retiredAt === undefined)
    .map(({ use, kid }) => signingKeyPath(use, kid))
    .filter((path) => !present.has(path));
}

function asBackupError(error: unknown): unknown {
  if (error instanceof BackupError) return error;
  if (error instanceof LedgerCorrupt)
    return new BackupError('damaged', `its ledger does not verify: ${error.message}`, { cause: error });
  // What tar-stream and JSON say of bytes that no tar of ours has; what the sink met (a full disk) is its own error.
  const isForeign = error instanceof SyntaxError || (error instanceof Error && !('code' in error));
  if (isForeign)
    return new BackupError('damaged', `it is not a whole archive: ${error.message}`, { cause: error });
  return error;
}
