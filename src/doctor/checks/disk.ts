import { statfsSync } from 'node:fs';
import { join } from 'node:path';
import { dataDirectory } from '../../contract/data-directory.ts';
import type { Check, Finding } from '../finding.ts';
import { ok } from '../finding.ts';

const shares = { error: 0.03, warning: 0.1 };
const mebibyte = 1024 * 1024;

/** Whether there is room left, in bytes and in files, where ledger and flow records are written. */
export const diskCheck: Check = {
  name: 'disk',
  limitMs: 3000,
  async run({ directory }) {
    const places = [directory, join(directory, dataDirectory.flows)];
    const seen = new Set<string>();
    const found: Finding[] = [];
    for (const place of places) {
      const { bsize, blocks, bavail, files, ffree, type } = statfsSync(place);
      const key = [type, blocks, bavail, files, ffree].join(' ');
      if (seen.has(key)) continue;
      seen.add(key);
      const left = Math.floor((bavail * bsize) / mebibyte);
      found.push(
        ...judge(
          `${place} has ${left} MiB left`,
          bavail,
          blocks,
          'make room or a larger disk: a full one refuses every flow, since none may go unrecorded',
        ),
      );
      // Some file systems, such as btrfs, count none.
      if (files > 0)
        found.push(
          ...judge(
            `${place} has room for ${ffree} files left`,
            ffree,
            files,
            'remove small files, or make a file system with more inodes',
          ),
        );
    }
    return found.length > 0 ? found : ok('room enough');
  },
};

function judge(what: string, left: number, all: number, how: string): Finding[] {
  const share = left / Math.max(1, all);
  if (share > shares.warning) return [];
  return [
    {
      level: share <= shares.error ? 'error' : 'warning',
      what: `${what}, ${(share * 100).toFixed(1)} %`,
      how,
    },
  ];
}
