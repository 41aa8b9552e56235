import { posix } from 'node:path';
import type { CheckContext } from './posture-check.ts';
import type { SystemFiles } from './system-files.ts';

/** What the package lists on this machine say, without asking anybody. */
export interface PendingUpdates {
  readonly security: number;
  /** Epoch milliseconds: how old that knowledge is; undefined where nothing tells. */
  readonly knownAt: number | undefined;
}

/** Packages that `apt-get -s dist-upgrade` would take from a security archive. */
export function countAptUpdates(output: string): number {
  const installed = output.split('\n').filter((line) => line.startsWith('Inst '));
  // Inst NAME [OLD] (NEW ORIGIN:VERSION/SUITE, … [ARCH])
  return installed.filter((line) => /[/-]security[ ,]|Debian-Security:/i.test(line)).length;
}

const aptLists = '/var/lib/apt/lists';

/** When the lists of the security archives were made, as those who signed them say, or apt last fetched all of them. */
async function aptKnownAt(files: SystemFiles): Promise<number | undefined> {
  const names = (await files.list(aptLists)) ?? [];
  const times: number[] = [];
  for (const name of names.filter((each) => /security.*InRelease$/i.test(each))) {
    const text = (await files.read(`${aptLists}/${name}`))?.toString('latin1') ?? '';
    const made = Date.parse(/^Date: (.+)$/m.exec(text)?.[1] ?? '');
    if (!Number.isNaN(made)) times.push(made);
  }
  const success = await files.stat('/var/lib/apt/periodic/update-success-stamp');
  if (success !== undefined) times.push(success.modifiedAt);
  return times.length === 0 ? undefined : Math.max(...times);
}

export async function askApt({ files, run }: CheckContext): Promise<PendingUpdates> {
  const output = await run('/usr/bin/apt-get', [
    '--simulate',
    '--quiet=2',
    '--option=Debug::NoLocking=1',
    'dist-upgrade',
  ]);
  return { security: countAptUpdates(output), knownAt: await aptKnownAt(files) };
}

/** Advisories that `dnf updateinfo list --security` prints, in the form of version 4 or of version 5, each once. */
export function countDnfUpdates(output: string): number {
  const ids = output
    .split('\n')
    .flatMap((line) => /^(\S+)\s+(?:(?:\w+\/)?Sec\.|security)\s+\S/.exec(line)?.[1] ?? []);
  return new Set(ids).size;
}

async function dnfKnownAt(files: SystemFiles): Promise<number | undefined> {
  const times: number[] = [];
  for (const cache of ['/var/cache/dnf', '/var/cache/libdnf5'])
    for (const repository of (await files.list(cache)) ?? []) {
      const index = await files.stat(posix.join(cache, repository, 'repodata/repomd.xml'));
      if (index !== undefined) times.push(index.modifiedAt);
    }
  return times.length === 0 ? undefined : Math.max(...times);
}

export async function askDnf({ files, run }: CheckContext): Promise<PendingUpdates> {
  const output = await run('/usr/bin/dnf', [
    '--quiet',
    '--cacheonly',
    'updateinfo',
    'list',
    '--updates',
    '--security',
  ]);
  return { security: countDnfUpdates(output), knownAt: await dnfKnownAt(files) };
}

/** What changes when packages or lists of them do. */
export const packageFiles: readonly string[] = [
  '/var/lib/dpkg/status',
  aptLists,
  '/var/lib/apt/periodic/update-success-stamp',
  '/usr/lib/sysimage/rpm/rpmdb.sqlite',
  '/var/lib/rpm/rpmdb.sqlite',
  '/var/cache/dnf',
  '/var/cache/libdnf5',
  '/run/reboot-required',
];
