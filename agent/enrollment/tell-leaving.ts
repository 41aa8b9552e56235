import { createDeviceApi } from '../control/device-api.ts';
import { loadCredentials } from '../state/credentials.ts';
import { loadSettings } from '../state/settings-file.ts';
import type { StatePaths } from '../state/state-directory.ts';

const limitMs = 10_000;

/**
 * Tells the control plane that this device is leaving, which revokes it there.
 * @returns its signed word that the firewall may go; undefined where it could not be told, and goes on to count the device.
 */
export async function tellLeaving(paths: StatePaths): Promise<string | undefined> {
  try {
    const settings = loadSettings(paths.settings);
    if (settings === undefined) return undefined;
    const api = createDeviceApi(settings.control);
    return (await api.leave(loadCredentials(paths), AbortSignal.timeout(limitMs))).firewall;
  } catch {
    // Without a network, with a damaged file, or revoked before: none of it is a reason to keep the key.
    return undefined;
  }
}
