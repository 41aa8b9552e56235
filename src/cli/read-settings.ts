import type { Settings } from '../contract/settings.ts';
import { loadSettings, SettingsError } from '../control/settings-file.ts';
import { CliError, exitCodes } from './cli-error.ts';

/** The settings of a file. @throws CliError with every problem. */
export function readSettings(configFile: string): Settings {
  try {
    return loadSettings(configFile);
  } catch (error) {
    if (error instanceof SettingsError)
      throw new CliError(exitCodes.invalid, 'the settings cannot be used', error.problems);
    throw error;
  }
}
