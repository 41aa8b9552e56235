import { execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const script = fileURLToPath(new URL('./no-space-script.ts', import.meta.url));

/** A file system of one megabyte, in a mount namespace of its own that goes with its process. */
const inSmallDisk = ['--user', '--map-root-user', '--mount', '--', '/bin/sh', '-c'];
const hasNamespaces = spawnSync('unshare', [...inSmallDisk, 'true']).status === 0;
const hint = hasNamespaces ? '' : ' (skipped: needs user namespaces, apt-get install util-linux)';

interface Seen {
  readonly untilFull: { readonly records: number; readonly isHealthy: boolean; readonly freeBytes: number };
  readonly beyond: { readonly refusals: number; readonly failure: string; readonly toldWritten: number };
  readonly after: {
    readonly isHealthy: boolean;
    readonly written: number;
    readonly recorded: number;
    readonly lost: number;
    readonly problems: readonly unknown[];
  };
}

test.skipIf(!hasNamespaces)(
  `on a disk that is really full, new flows end before refusals do, nobody is told of what is not written, and nothing is lost${hint}`,
  () => {
    const command = `d=$(mktemp -d) && mount -t tmpfs -o size=1m tmpfs "$d" && exec "$0" "$1" "$d"`;
    const printed = execFileSync('unshare', [...inSmallDisk, command, process.execPath, script], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    const { untilFull, beyond, after } = JSON.parse(printed) as Seen;
    // At the bound, half of the disk is there for refusals.
    expect(untilFull).toMatchObject({ isHealthy: true });
    expect(untilFull.freeBytes).toBeGreaterThan(450_000);
    expect(untilFull.records).toBeGreaterThan(100);
    expect(beyond.refusals).toBeGreaterThan(100);
    expect(beyond.failure).toContain('ENOSPC');
    expect(beyond.toldWritten).toBeLessThan(beyond.refusals);
    // What waited was written when there was room again.
    expect(after).toEqual({
      isHealthy: true,
      written: untilFull.records + beyond.refusals + 1,
      recorded: untilFull.records + beyond.refusals + 1,
      lost: 0,
      problems: [],
    });
  },
);
