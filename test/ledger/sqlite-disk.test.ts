import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const asOwnRoot = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
const canMount =
  spawnSync('unshare', [...asOwnRoot, '--mount', 'mount', '-t', 'tmpfs', 'none', '/mnt']).status === 0;
const title = canMount
  ? 'a ledger on a disk without room'
  : 'a ledger on a disk without room (skipped: needs mount namespaces; apt-get install util-linux mount)';

describe.skipIf(!canMount)(title, () => {
  it('refuses commits while the disk is full, appends whole ones when there is room again, and opens only where it can write', () => {
    const directory = mkdtempSync(join(tmpdir(), 'postern-full-'));
    const program = fileURLToPath(new URL('programs/full-disk.ts', import.meta.url));
    const script = `mount -t tmpfs -o size=512k,mode=700 none "$1" && exec "$2" "$3" "$1"`;
    const child = spawnSync(
      'unshare',
      [...asOwnRoot, '--mount', 'sh', '-c', script, 'sh', directory, process.execPath, program],
      { encoding: 'utf8' },
    );
    rmdirSync(directory);
    expect(child.stderr).toBe('');
    const result = JSON.parse(child.stdout) as {
      whileFull: { done: number; refused: string[]; stateSequence: number; ledgerSequence: number };
      afterwards: { answer: string; sequence: number };
    };
    const { whileFull, afterwards } = result;
    expect(whileFull.refused.length).toBeGreaterThan(0);
    expect(new Set(whileFull.refused)).toEqual(new Set(['store-unavailable']));
    // Two events a commit: none was torn in half.
    expect(whileFull.stateSequence).toBe(1 + 2 * whileFull.done);
    expect(whileFull.ledgerSequence).toBe(whileFull.stateSequence);
    expect(afterwards).toEqual({ answer: 'done', sequence: whileFull.stateSequence + 2 });
    expect(result).toMatchObject({
      reopenedSequence: afterwards.sequence,
      readOnly: { open: 'LedgerUnavailable', create: 'LedgerUnavailable' },
    });
  });
});
