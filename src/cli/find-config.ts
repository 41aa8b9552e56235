import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { dataDirectory } from '../contract/data-directory.ts';
import { CliError, exitCodes } from './cli-error.ts';
import { contextPath, readContext } from './context-file.ts';

/**
 * Absolute path of the settings file: the one that the option names, or of the data directory in the context file, or
 * here. @throws CliError where there is none.
 */
export async function findConfig(option: string | undefined): Promise<string> {
  if (option !== undefined) return resolve(option);
  const { data } = await readContext(contextPath());
  const candidates = [
    ...(data === undefined ? [] : [join(data, dataDirectory.settings)]),
    dataDirectory.settings,
  ];
  const found = candidates.find((path) => existsSync(path));
  if (found === undefined)
    throw new CliError(
      exitCodes.invalid,
      'no settings are known: give --config FILE, as `postern init` made it',
    );
  return resolve(found);
}
