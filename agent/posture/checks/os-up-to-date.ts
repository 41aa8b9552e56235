import { Type } from 'typebox';
import { Value } from 'typebox/value';
import { readOsRelease } from '../os-release.ts';
import { no, unknown, yes } from '../posture-check.ts';
import type { CheckContext, Finding, PostureCheck } from '../posture-check.ts';
import { askPowerShell, parseRows } from '../powershell.ts';
import { askApt, askDnf, packageFiles } from '../security-updates.ts';
import type { PendingUpdates } from '../security-updates.ts';
import { glanceAt } from '../system-files.ts';

/** Knowledge that is older than this says nothing about today. */
export const longestKnowledgeDays = 8;
const dayMs = 86_400_000;

/** What is missing is missing, however old the knowledge of it; that nothing is, only fresh knowledge tells. */
export function judgeUpdates({ security, knownAt }: PendingUpdates, now: Date): Finding {
  if (security > 0) return no(`${security} security updates are missing`);
  if (knownAt === undefined) return unknown('nothing tells when the lists of updates were fetched');
  const days = Math.floor((now.getTime() - knownAt) / dayMs);
  return days >= longestKnowledgeDays
    ? unknown(`the lists of updates are ${days} days old`)
    : yes('no security update is missing');
}

async function checkLinux(context: CheckContext): Promise<Finding> {
  const { files, now } = context;
  const release = await readOsRelease(files);
  const supportEnd = Date.parse(release.get('SUPPORT_END') ?? '');
  if (supportEnd < now.getTime()) return no('the support of this release has ended');
  if ((await files.stat('/run/reboot-required')) !== undefined) return no('updates wait for a restart');
  const family = new Set(`${release.get('ID') ?? ''} ${release.get('ID_LIKE') ?? ''}`.split(' '));
  if (family.has('debian') || family.has('ubuntu')) return judgeUpdates(await askApt(context), now);
  if (family.has('fedora') || family.has('rhel')) return judgeUpdates(await askDnf(context), now);
  return unknown(`no check for the packages of ${release.get('ID') ?? 'this system'}`);
}

/** What `softwareupdate --list --no-scan` says: of all that it offers, what Apple recommends counts. */
export function countAppleUpdates(output: string): number | undefined {
  if (/No new software available/i.test(output)) return 0;
  const offers = [...output.matchAll(/^\s*\* Label: .*\n\s*Title: .*$/gm)];
  return offers.length === 0 ? undefined : offers.filter(([text]) => /Recommended: YES/i.test(text)).length;
}

async function checkDarwin({ run, now }: CheckContext): Promise<Finding> {
  const output = await run('/usr/sbin/softwareupdate', ['--list', '--no-scan'], { withErrors: true });
  const security = countAppleUpdates(output);
  if (security === undefined) return unknown('softwareupdate says something else');
  const last = await run('/usr/bin/defaults', [
    'read',
    '/Library/Preferences/com.apple.SoftwareUpdate',
    'LastSuccessfulDate',
  ]);
  const knownAt = Date.parse(last.trim().replace(/^(\S+) (\S+) \+0000$/, '$1T$2Z'));
  return judgeUpdates({ security, knownAt: Number.isNaN(knownAt) ? undefined : knownAt }, now);
}

const Answer = Type.Object({
  pending: Type.Integer({ minimum: 0 }),
  searchedAt: Type.Union([Type.Integer(), Type.Null()]),
  restart: Type.Boolean(),
});

/** What our question to the update agent of Windows answers: missing updates by what it found when it last searched. */
export function readWindowsUpdates(output: string, now: Date): Finding {
  const [answer] = parseRows(output);
  if (!Value.Check(Answer, answer)) return unknown('the update agent says something else');
  if (answer.restart) return no('updates wait for a restart');
  const knownAt = answer.searchedAt === null ? undefined : answer.searchedAt * 1000;
  return judgeUpdates({ security: answer.pending, knownAt }, now);
}

const windowsQuestion =
  '$s=(New-Object -ComObject Microsoft.Update.Session).CreateUpdateSearcher();$s.Online=$false;' +
  '$n=0;foreach($u in $s.Search("IsInstalled=0 and IsHidden=0 and Type=\'Software\'").Updates){' +
  // Security updates, critical updates and definitions, by the identifiers of their categories.
  "foreach($c in $u.Categories){if(@('0fa1201d-4330-4fa8-8ae9-b877473b6441','e6cf1350-c01b-414d-a61f-263d14d133b4')-contains $c.CategoryID){$n++;break}}}" +
  '$d=(New-Object -ComObject Microsoft.Update.AutoUpdate).Results.LastSearchSuccessDate;' +
  '[pscustomobject]@{pending=$n;searchedAt=$(if($d){[int64](([datetime]$d)-[datetime]"1970-01-01").TotalSeconds}else{$null});' +
  'restart=[bool](New-Object -ComObject Microsoft.Update.SystemInfo).RebootRequired}|ConvertTo-Json -Compress';

/** Nobody is asked over the network: the package manager of the system fetches its lists by itself, or this says so. */
export const osUpToDate: PostureCheck = {
  criterion: 'osUpToDate',
  platforms: {
    linux: {
      how: 'support of the release, a restart that is due, and the security updates in the lists that `apt-get` or `dnf` fetched last',
      check: checkLinux,
      glance: ({ files }) => glanceAt(files, packageFiles),
      keepSeconds: 3600,
      limitMs: 60_000,
    },
    darwin: {
      how: '`softwareupdate --list --no-scan`: what its last search found and recommends',
      check: checkDarwin,
      keepSeconds: 3600,
      limitMs: 60_000,
    },
    win32: {
      how: 'the Windows Update agent, without a new search: security and critical updates, and a restart that is due',
      check: async (context) =>
        readWindowsUpdates(await askPowerShell(context, windowsQuestion), context.now),
      keepSeconds: 3600,
      limitMs: 60_000,
    },
  },
};
