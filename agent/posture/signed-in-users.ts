import type { SystemFiles } from './system-files.ts';

/** Somebody who sits at the screen of this machine. */
export interface ScreenSession {
  readonly uid: number;
  readonly gid: number;
  readonly user: string;
  readonly homeDirectory: string;
  /** As the session calls it, in lower case: `gnome`, `ubuntu:gnome`, `kde`. */
  readonly desktop: string;
}

const sessionsDirectory = '/run/systemd/sessions';
const graphical = new Set(['x11', 'wayland', 'mir']);

/** KEY=value lines, as logind keeps its sessions in. */
export function parseSession(text: string): ReadonlyMap<string, string> {
  const lines = text.split('\n').flatMap((line) => {
    const at = line.indexOf('=');
    return at <= 0 ? [] : [[line.slice(0, at), line.slice(at + 1)] as const];
  });
  return new Map(lines);
}

/** passwd(5), by number. */
export function parsePasswd(text: string): ReadonlyMap<number, { gid: number; name: string; home: string }> {
  return new Map(
    text.split('\n').flatMap((line) => {
      const [name, , uid, gid, , home] = line.split(':');
      return name === undefined || home === undefined
        ? []
        : [[Number(uid), { gid: Number(gid), name, home }] as const];
    }),
  );
}

/**
 * Who is signed in at a screen of this machine, from what logind writes for everybody to read. (Its bus tells the same
 * to those who speak D-Bus. Sessions of the greeter, of a terminal or from elsewhere have no screen to lock.)
 */
export async function screenSessions(files: SystemFiles): Promise<readonly ScreenSession[] | undefined> {
  const names = await files.list(sessionsDirectory);
  if (names === undefined) return undefined;
  const users = parsePasswd((await files.read('/etc/passwd'))?.toString('utf8') ?? '');
  const found: ScreenSession[] = [];
  for (const name of [...names].sort()) {
    // Beside each session lies its pipe, NAME.ref, which a reader would wait on.
    if (!/^[A-Za-z0-9]+$/.test(name)) continue;
    const session = parseSession((await files.read(`${sessionsDirectory}/${name}`))?.toString('utf8') ?? '');
    const uid = Number(session.get('UID') ?? Number.NaN);
    const isScreen =
      session.get('CLASS') === 'user' &&
      session.get('REMOTE') !== '1' &&
      session.get('STATE') !== 'closing' &&
      graphical.has(session.get('TYPE') ?? '');
    if (!isScreen || !Number.isInteger(uid)) continue;
    const user = users.get(uid);
    found.push({
      uid,
      gid: user?.gid ?? uid,
      user: user?.name ?? session.get('USER') ?? String(uid),
      homeDirectory: user?.home ?? `/home/${session.get('USER') ?? ''}`,
      desktop: (session.get('DESKTOP') ?? '').toLowerCase(),
    });
  }
  return found;
}
