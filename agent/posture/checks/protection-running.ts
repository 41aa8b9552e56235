import { allOf, no, unknown, yes } from '../posture-check.ts';
import type { CheckContext, Finding, PostureCheck } from '../posture-check.ts';
import { askPowerShell, parseRows } from '../powershell.ts';
import { protectionFile, readProtectionPrograms, requireRootOwned } from '../protection-programs.ts';
import type { ProtectionPlatform } from '../protection-programs.ts';
import { glanceAt } from '../system-files.ts';
import type { SystemFiles } from '../system-files.ts';

/** Accounts below this belong to the system (UID_MIN): no user of the laptop starts a program as one of them. */
const firstUserUid = 1000;

/**
 * The process that runs this very file, by what the kernel says it executes: a name, or a path in a namespace of the
 * user's own, anybody can have. Not one that a user started, who could let the real program idle.
 */
async function findProcess(files: SystemFiles, program: string): Promise<string | undefined> {
  const wanted = (await files.stat(program))?.identity;
  if (wanted === undefined) return undefined;
  let hidden = 0;
  for (const pid of (await files.list('/proc')) ?? []) {
    if (!/^[1-9][0-9]*$/.test(pid)) continue;
    try {
      // Kernel threads, and processes that ended meanwhile, execute nothing.
      const executed = await files.stat(`/proc/${pid}/exe`);
      if (executed?.identity !== wanted) continue;
      const owner = await files.stat(`/proc/${pid}`);
      if (owner !== undefined && owner.uid < firstUserUid) return pid;
    } catch {
      hidden += 1;
    }
  }
  if (hidden > 0) throw new Error(`${hidden} processes of others cannot be looked at`);
  return undefined;
}

async function checkProgram(files: SystemFiles, path: string): Promise<Finding> {
  const program = await requireRootOwned(files, path);
  const pid = await findProcess(files, program);
  // One that ends is seen at its process; one that is started, mostly by systemd, at the links of units.
  return pid === undefined
    ? { ...no(`${path} does not run`), watch: [program, '/run/systemd/units'] }
    : { ...yes(`${path} runs`), watch: [program, `/proc/${pid}/exe`] };
}

/** Checks each program that is named, and wants them all. */
async function checkNamed(
  { files }: CheckContext,
  platform: ProtectionPlatform,
  checkPrograms: (programs: readonly string[]) => Promise<readonly Finding[]>,
): Promise<Finding> {
  const programs = (await readProtectionPrograms(files, platform)) ?? [];
  if (programs.length === 0) return unknown(`${protectionFile[platform]} names no protection program`);
  return allOf(await checkPrograms(programs), `${programs.join(', ')} runs`);
}

/** Lines of `ps -axo uid=,comm=`: on macOS the path that the kernel executed, of processes of the system. */
export const systemPrograms = (output: string): ReadonlySet<string> =>
  new Set(
    output.split('\n').flatMap((line) => {
      const [, uid, path] = /^\s*(\d+)\s+(\/.*\S)\s*$/.exec(line) ?? [];
      // Users of macOS begin at 501.
      return path !== undefined && Number(uid) < 500 ? [path] : [];
    }),
  );

const checkDarwin = (context: CheckContext): Promise<Finding> =>
  checkNamed(context, 'darwin', async (programs) => {
    const running = systemPrograms(await context.run('/bin/ps', ['-axo', 'uid=,comm=']));
    const findings = programs.map(async (path) => {
      const program = await requireRootOwned(context.files, path);
      return running.has(program) || running.has(path) ? yes('') : no(`${path} does not run`);
    });
    return Promise.all(findings);
  });

/** What `Get-CimInstance Win32_Process` says; processes of others show no path to those who are no administrators. */
export function readProcessPaths(output: string): ReadonlySet<string> {
  const rows = parseRows(output) as { ExecutablePath?: unknown }[];
  return new Set(
    rows.flatMap(({ ExecutablePath: path }) => (typeof path === 'string' ? [path.toLowerCase()] : [])),
  );
}

/** Where Windows lets only administrators write. */
const guarded =
  /^C:\\(Program Files|Program Files \(x86\)|Windows|ProgramData\\Microsoft\\Windows Defender)\\/i;

const checkWindows = (context: CheckContext): Promise<Finding> =>
  checkNamed(context, 'win32', async (programs) => {
    const running = readProcessPaths(
      await askPowerShell(
        context,
        'Get-CimInstance Win32_Process -Property ExecutablePath | Select-Object ExecutablePath | ConvertTo-Json -Compress',
      ),
    );
    return programs.map((path) => {
      if (!guarded.test(path) || path.includes('..'))
        return unknown(`${path} lies where others than administrators may write`);
      return running.has(path.toLowerCase()) ? yes('') : no(`${path} does not run`);
    });
  });

const named = 'each program that the file of protection programs names, by its absolute path';

export const protectionRunning: PostureCheck = {
  criterion: 'protectionRunning',
  platforms: {
    linux: {
      how: `${named}, compared with \`/proc/PID/exe\`; seen by the helper that runs as root`,
      check: (context) =>
        checkNamed(context, 'linux', (programs) =>
          Promise.all(programs.map((path) => checkProgram(context.files, path))),
        ),
      glance: ({ files }) => glanceAt(files, [protectionFile.linux]),
      keepSeconds: 60,
      needsRoot: true,
    },
    darwin: { how: `${named}, among those that \`ps\` shows`, check: checkDarwin, keepSeconds: 60 },
    win32: { how: `${named}, as an administrator`, check: checkWindows, keepSeconds: 60 },
  },
};
