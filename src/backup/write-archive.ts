import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { pack } from 'tar-stream';
import type { Pack } from 'tar-stream';
import { members } from './archive-format.ts';
import type { Manifest } from './archive-format.ts';
import type { CollectedFile } from './collect-files.ts';
import type { LedgerPiece } from './ledger-lines.ts';

export interface ArchiveParts {
  readonly manifest: Manifest;
  readonly files: readonly CollectedFile[];
  readonly ledger: AsyncIterable<LedgerPiece>;
}

/**
 * The tar of a backup as a stream that makes no more than its reader takes. It fails with whatever the ledger fails
 * with.
 */
export function archiveStream(parts: ArchiveParts): ReadableStream<Uint8Array> {
  const tar = pack();
  fill(tar, parts).then(
    () => tar.finalize(),
    (error: unknown) => tar.destroy(error as Error),
  );
  return ReadableStream.from(tar as AsyncIterable<Uint8Array>);
}

async function fill(tar: Pack, { manifest, files, ledger }: ArchiveParts): Promise<void> {
  const mtime = new Date(manifest.createdAt * 1000);
  const sums: string[] = [];
  const add = async (name: string, bytes: Buffer, mode = 0o600): Promise<void> => {
    await writeEntry(tar, { name, mode, mtime }, bytes);
    sums.push(`${sha256(bytes).digest('hex')}  ${name}\n`);
  };
  await add(members.manifest, Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`));
  for (const { path, bytes, mode } of files) await add(members.data + path, bytes, mode);
  for await (const { first, bytes } of ledger)
    await add(`${members.ledger}${String(first).padStart(16, '0')}.jsonl`, bytes);
  await add(members.sums, Buffer.from(sums.join('')));
}

const sha256 = (bytes: Buffer): Hash => createHash('sha256').update(bytes);

function writeEntry(
  tar: Pack,
  header: { readonly name: string; readonly mode: number; readonly mtime: Date },
  bytes: Buffer,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const isDestroyed = (): void => reject(new Error('nobody reads the archive any more'));
    tar.once('close', isDestroyed);
    tar.entry({ ...header, size: bytes.length, type: 'file' }, bytes, (error) => {
      tar.off('close', isDestroyed);
      if (error) reject(error);
      else resolve();
    });
  });
}
