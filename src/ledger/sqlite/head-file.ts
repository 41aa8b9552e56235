import { readFileSync } from 'node:fs';
import type { LedgerHead } from '../../domain/control-state.ts';
import { replaceFile } from '../durable-file.ts';
import { LedgerCorrupt } from '../ledger.ts';

/**
 * The last acknowledged head, in a file beside the database. A hash chain alone cannot show that its end was cut off:
 * without this a device would come back from revocation by cutting away the entry that revoked it. It does not
 * withstand someone who can write both files; that takes a head that was noted elsewhere.
 */
export interface HeadFile {
  /** @throws LedgerCorrupt for a file that is not ours. */
  read(): LedgerHead | undefined;
  /** Never moves the file back. @throws an error of node:fs, which leaves the file as it was. */
  write(head: LedgerHead): void;
}

const headPattern = /^([0-9]{1,16}) ([0-9a-f]{64})\n$/;

export function openHeadFile(path: string): HeadFile {
  const read = (): LedgerHead | undefined => {
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
      throw error;
    }
    const match = headPattern.exec(text);
    if (match === null) throw new LedgerCorrupt(0, `ledger head file ${path} is damaged`);
    return { sequence: Number(match[1]), hash: match[2] ?? '' };
  };
  return {
    read,
    write(head) {
      // Another process may have acknowledged a later entry between our commit and now.
      const known = read();
      if (known !== undefined && known.sequence >= head.sequence) return;
      replaceFile(path, Buffer.from(`${head.sequence} ${head.hash}\n`));
    },
  };
}
