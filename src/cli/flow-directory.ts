import { join, resolve } from 'node:path';
import { dataDirectory } from '../contract/data-directory.ts';
import { CliError, exitCodes } from './cli-error.ts';
import { contextPath, readContext } from './context-file.ts';

/** Where the flow records of a data directory are: of the one given, or of the one in the context file. */
export async function flowDirectory(option: string | undefined): Promise<string> {
  const data = option ?? (await readContext(contextPath())).data;
  if (data === undefined)
    throw new CliError(exitCodes.invalid, 'no data directory is known: give --data DIR');
  return join(resolve(data), dataDirectory.flows);
}
