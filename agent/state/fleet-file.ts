import { existsSync, rmSync } from 'node:fs';
import { Type } from 'typebox';
import type { Static } from 'typebox';
import { AgentError } from '../agent-error.ts';
import type { Clock } from '../clock.ts';
import { keyPlaces } from '../keys/new-key.ts';
import { enrollDevice } from '../enrollment/enroll.ts';
import { writeStateFiles } from './atomic-file.ts';
import { readOwnedFile } from './owned-file.ts';
import type { ChosenSettings } from './settings-file.ts';
import { AgentSettings, formatSettings, loadSettings } from './settings-file.ts';
import type { StatePaths } from './state-directory.ts';
import { createStateDirectory } from './state-directory.ts';
import { parseYamlSettings } from './yaml-settings.ts';

const { control, proxyPort, signIn, intercept, resolver } = AgentSettings.properties;

/** `/etc/postern-agent/agent.yaml`: what an organization says of all its laptops, laid there by its device management. */
export const FleetSettings = Type.Object(
  {
    control: Type.Optional(control),
    /** File with the one-time enrollment token; it is deleted once it was used. */
    enrollmentTokenFile: Type.Optional(Type.String({ pattern: '^/', maxLength: 4096 })),
    /** Where the key of a laptop that enrolls is to lie; without it `auto`. One that is enrolled keeps its key. */
    key: Type.Optional(Type.Enum([...keyPlaces])),
    proxyPort: Type.Optional(proxyPort),
    signIn,
    intercept,
    resolver,
  },
  { additionalProperties: false },
);
export type FleetSettings = Static<typeof FleetSettings>;

/**
 * Reads the file that `up --config` names. It decides where this laptop goes, so nobody but root and the agent's own
 * user may have written it.
 * @throws AgentError with file, line and key of each mistake.
 */
export function loadFleetSettings(path: string): FleetSettings {
  const text = readOwnedFile(path, 'public', 'root-too');
  if (text === undefined) throw new AgentError(2, 'file-unreadable', { file: path, reason: 'there is none' });
  const parsed = parseYamlSettings(FleetSettings, text);
  if (parsed.ok) return Object.freeze(parsed.value);
  const problems = parsed.problems.join('; ');
  throw new AgentError(2, 'fleet-settings-invalid', { file: path, problems });
}

/**
 * Brings the state directory in line with the fleet's settings: enrolls a laptop that is not enrolled, where a token
 * was laid for it, and keeps what the fleet decides in `agent.yaml`, where every command finds it.
 * @returns whether a token that was used could not be deleted.
 * @throws AgentError; what was there before stays then, and so does a token that was not used.
 */
export async function applyFleetSettings(
  fleet: FleetSettings,
  directory: string,
  clock: Clock,
): Promise<{ readonly tokenStays: boolean }> {
  const paths = createStateDirectory(directory);
  const isEnrolled = existsSync(paths.settings) || existsSync(paths.key);
  if (isEnrolled) keepFleetSettings(fleet, paths);
  else await enrollByToken(fleet, directory, clock);
  // One that was used, now or by a start that was cut short, is of no use to anybody.
  return { tokenStays: fleet.enrollmentTokenFile !== undefined && !isRemoved(fleet.enrollmentTokenFile) };
}

async function enrollByToken(fleet: FleetSettings, directory: string, clock: Clock): Promise<void> {
  const { control: url, enrollmentTokenFile: file } = fleet;
  if (url === undefined || file === undefined) throw new AgentError(2, 'not-enrolled', { directory });
  const token = readOwnedFile(file, 'secret')?.trim();
  if (token === undefined) throw new AgentError(2, 'enrollment-token-missing', { file });
  await enrollDevice({
    url,
    token,
    directory,
    force: false,
    key: fleet.key ?? 'auto',
    clock,
    chosen: chosen(fleet),
  });
}

function keepFleetSettings(fleet: FleetSettings, paths: StatePaths): void {
  const before = loadSettings(paths.settings);
  if (before === undefined) return;
  const now: AgentSettings = {
    ...before,
    ...(fleet.control === undefined ? {} : { control: fleet.control }),
    ...chosen(fleet),
  };
  if (formatSettings(now) !== formatSettings(before))
    writeStateFiles(paths.directory, [{ path: paths.settings, content: formatSettings(now) }]);
}

function chosen(fleet: FleetSettings): ChosenSettings {
  const { control: _, enrollmentTokenFile: __, key: ___, ...rest } = fleet;
  return rest;
}

function isRemoved(file: string): boolean {
  try {
    rmSync(file, { force: true });
    return true;
  } catch {
    return false;
  }
}
