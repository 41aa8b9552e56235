import { no, unknown, yes } from './posture-check.ts';
import type { CheckContext, Finding } from './posture-check.ts';
import type { ScreenSession } from './signed-in-users.ts';
import type { SystemFiles } from './system-files.ts';

/** A screen that stays open longer than this while nobody is there counts as one that does not lock. */
export const longestOpenSeconds = 900;

const judgeSeconds = (seconds: number): Finding =>
  seconds > longestOpenSeconds
    ? no(`the screen locks after ${Math.round(seconds / 60)} minutes only`)
    : yes(`the screen locks after ${Math.round(seconds / 60)} minutes`);

/** `SCHEMA KEY VALUE` lines of `gsettings list-recursively`; numbers may carry their type. */
export function parseGsettings(output: string): ReadonlyMap<string, string> {
  const lines = output.split('\n').flatMap((line) => {
    const [, schema, key, value] = /^(\S+) (\S+) (?:u?int\d+ )?(.*)$/.exec(line) ?? [];
    return schema === undefined || key === undefined || value === undefined
      ? []
      : [[`${schema} ${key}`, value] as const];
  });
  return new Map(lines);
}

const gnomeSchemas = [
  'org.gnome.desktop.screensaver',
  'org.gnome.desktop.session',
  'org.gnome.desktop.lockdown',
] as const;

export function judgeGnome(settings: ReadonlyMap<string, string>): Finding {
  const get = (key: string): string | undefined => settings.get(`org.gnome.desktop.${key}`);
  if (get('lockdown disable-lock-screen') === 'true') return no('locking is disabled for this desktop');
  if (get('screensaver lock-enabled') === 'false') return no('the screen does not lock by itself');
  const [idle, delay] = [Number(get('session idle-delay')), Number(get('screensaver lock-delay'))];
  if (get('screensaver lock-enabled') !== 'true' || !Number.isInteger(idle) || !Number.isInteger(delay))
    return unknown('GNOME does not say how it locks');
  return idle === 0 ? no('the screen never becomes idle') : judgeSeconds(idle + delay);
}

async function askGnome({ run }: CheckContext, session: ScreenSession): Promise<Finding> {
  const { uid, gid, homeDirectory } = session;
  const options = {
    as: { uid, gid },
    environment: { HOME: homeDirectory, XDG_RUNTIME_DIR: `/run/user/${uid}` },
  };
  const outputs = await Promise.all(
    gnomeSchemas.map((schema) => run('/usr/bin/gsettings', ['list-recursively', schema], options)),
  );
  return judgeGnome(parseGsettings(outputs.join('\n')));
}

/** One group of a desktop settings file of KDE. `[Group]`, then `key=value` or `key[$i]=value`. */
export function parseKdeGroup(text: string, group: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  let isInside = false;
  for (const line of text.split('\n').map((each) => each.trim())) {
    if (line.startsWith('[')) isInside = line === `[${group}]` || line === `[${group}][$i]`;
    else if (isInside) {
      const [, key = '', value = ''] = /^([A-Za-z]+)(?:\[\$\w+\])?=(.*)$/.exec(line) ?? [];
      if (key !== '') values.set(key, value);
    }
  }
  return values;
}

/** What the KDE screen locker does where a file does not say: it locks after five minutes and five seconds. */
export function judgeKde(daemon: ReadonlyMap<string, string>): Finding {
  if ((daemon.get('Autolock') ?? 'true') !== 'true') return no('the screen does not lock by itself');
  const [minutes, grace] = [Number(daemon.get('Timeout') ?? 5), Number(daemon.get('LockGrace') ?? 5)];
  if (!Number.isInteger(minutes) || !Number.isInteger(grace)) return unknown('KDE does not say how it locks');
  return minutes <= 0 ? no('the screen never becomes idle') : judgeSeconds(minutes * 60 + grace);
}

const kdeFiles = (homeDirectory: string): readonly string[] => [
  '/etc/xdg/kscreenlockerrc',
  `${homeDirectory}/.config/kscreenlockerrc`,
];

async function askKde(files: SystemFiles, { homeDirectory }: ScreenSession): Promise<Finding> {
  const values = new Map<string, string>();
  for (const path of kdeFiles(homeDirectory)) {
    const text = (await files.read(path))?.toString('utf8') ?? '';
    // The later file, the user's, counts, but for what the first marks as not to be changed: `[$i]`.
    for (const [key, value] of parseKdeGroup(text, 'Daemon'))
      if (!values.has(`${key}!`)) values.set(key, value);
    for (const [, key] of text.matchAll(/^([A-Za-z]+)\[\$i\]=/gm)) values.set(`${key}!`, '');
  }
  return judgeKde(values);
}

/** What the desktop of a session does when nobody touches it. */
export async function askDesktop(context: CheckContext, session: ScreenSession): Promise<Finding> {
  const { desktop, uid, user } = session;
  if (!context.privileged && uid !== context.uid)
    return unknown(`the agent may not read the settings of ${user}`);
  if (/gnome|ubuntu|pop|budgie/.test(desktop)) return askGnome(context, session);
  if (/kde|plasma/.test(desktop)) return askKde(context.files, session);
  return unknown(`${desktop === '' ? 'this desktop' : desktop} does not say how it locks`);
}

/** The files that tell that something of it was changed. */
export const desktopFiles = ({ homeDirectory }: ScreenSession): readonly string[] => [
  '/etc/dconf/db',
  `${homeDirectory}/.config/dconf/user`,
  ...kdeFiles(homeDirectory),
];
