import { spawn } from 'node:child_process';
import { checkTrusted } from '../posture/run-trusted.ts';

const openers: Readonly<Partial<Record<NodeJS.Platform, string>>> = {
  linux: '/usr/bin/xdg-open',
  darwin: '/usr/bin/open',
};

/** What a desktop's programs need to find it; nothing that could name another program to run. */
const passedOn = [
  'DISPLAY',
  'WAYLAND_DISPLAY',
  'XAUTHORITY',
  'XDG_RUNTIME_DIR',
  'XDG_CURRENT_DESKTOP',
  'XDG_SESSION_TYPE',
  'DBUS_SESSION_BUS_ADDRESS',
  'HOME',
  'LANG',
];

/**
 * Opens an address in the user's browser with the system's own opener, by absolute path and only where nobody but root
 * could have put it there. False where there is no desktop or no opener: the user then has to be told the address.
 */
export async function openBrowser(
  url: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<boolean> {
  // What comes from the network is opened as an address or not at all: no file, no other scheme, no option.
  if (new URL(url).protocol !== 'https:') return false;
  const opener = openers[process.platform];
  const hasDesktop =
    process.platform !== 'linux' ||
    environment['DISPLAY'] !== undefined ||
    environment['WAYLAND_DISPLAY'] !== undefined;
  if (opener === undefined || !hasDesktop) return false;
  try {
    const real = await checkTrusted(opener);
    const env = Object.fromEntries(
      passedOn.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]]])),
    );
    const child = spawn(real, [new URL(url).href], {
      env: { ...env, PATH: '/usr/bin:/bin' },
      cwd: '/',
      stdio: 'ignore',
      detached: true,
    });
    return await new Promise((resolve) => {
      child.once('error', () => resolve(false));
      child.once('spawn', () => {
        child.unref();
        resolve(true);
      });
    });
  } catch {
    return false;
  }
}
