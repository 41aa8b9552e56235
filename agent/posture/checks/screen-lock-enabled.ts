import { askDesktop, desktopFiles, longestOpenSeconds } from '../desktop-lock.ts';
import { allOf, no, unknown, yes } from '../posture-check.ts';
import type { CheckContext, Finding, PostureCheck } from '../posture-check.ts';
import { readRegistry } from '../powershell.ts';
import { screenSessions } from '../signed-in-users.ts';
import { glanceAt } from '../system-files.ts';

async function checkLinux(context: CheckContext): Promise<Finding> {
  const sessions = await screenSessions(context.files);
  if (sessions === undefined) return unknown('logind does not run: nobody says who is signed in');
  if (sessions.length === 0) return unknown('nobody is signed in at a screen');
  const findings = await Promise.all(sessions.map((session) => askDesktop(context, session)));
  const [first] = findings;
  return allOf(
    findings,
    findings.length === 1 && first !== undefined ? first.reason : 'all screens lock by themselves',
  );
}

async function glanceLinux({ files }: CheckContext): Promise<string> {
  const sessions = (await screenSessions(files)) ?? [];
  const seen = sessions.map(
    async (session) => `${session.uid} ${session.desktop} ${await glanceAt(files, desktopFiles(session))}`,
  );
  return (await Promise.all(seen)).join('\n');
}

/** What `sysadminctl -screenLock status` says, on standard error. */
export function readScreenLock(output: string): Finding {
  if (/screenLock is off/i.test(output)) return no('no password is asked for after the screen went dark');
  if (/screenLock delay is immediate/i.test(output)) return yes('a password is asked for at once');
  const [, seconds] = /screenLock delay is (\d+) seconds/i.exec(output) ?? [];
  if (seconds === undefined) return unknown('sysadminctl says something else');
  return Number(seconds) > longestOpenSeconds
    ? no(`a password is asked for after ${seconds} seconds only`)
    : yes(`a password is asked for after ${seconds} seconds`);
}

type Registry = ReadonlyMap<string, number | string>;

/** The limit that an administrator set for the machine, or the user's own screen saver. */
export function readWindowsLock(machine: Registry, user: Registry): Finding {
  const limit = Number(machine.get('inactivitytimeoutsecs') ?? 0);
  if (limit > 0 && limit <= longestOpenSeconds) return yes(`the machine locks after ${limit} seconds`);
  if (user.get('screensaveactive') !== '1') return no('the screen does not lock by itself');
  if (user.get('screensaverissecure') !== '1') return no('the screen saver asks for no password');
  const seconds = Number(user.get('screensavetimeout') ?? Number.NaN);
  if (!(seconds > 0)) return unknown('Windows does not say when the screen saver begins');
  return seconds > longestOpenSeconds
    ? no(`the screen locks after ${seconds} seconds only`)
    : yes(`the screen locks after ${seconds} seconds`);
}

export const screenLockEnabled: PostureCheck = {
  criterion: 'screenLockEnabled',
  platforms: {
    linux: {
      how: 'for each user whom logind knows at a screen, the settings of GNOME (`gsettings`) or of KDE (`kscreenlockerrc`); by the helper that runs as root, without it only for the user that the agent runs as',
      check: checkLinux,
      glance: glanceLinux,
      keepSeconds: 600,
      needsRoot: true,
    },
    darwin: {
      how: '`sysadminctl -screenLock status`',
      check: async ({ run }) =>
        readScreenLock(await run('/usr/sbin/sysadminctl', ['-screenLock', 'status'], { withErrors: true })),
      keepSeconds: 60,
    },
    win32: {
      how: 'the limit of the machine (`InactivityTimeoutSecs`), or the screen saver of the user that the agent runs as, in the registry',
      check: async (context) =>
        readWindowsLock(
          await readRegistry(context, 'HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Policies\\System'),
          await readRegistry(context, 'HKCU\\Control Panel\\Desktop'),
        ),
      keepSeconds: 60,
    },
  },
};
