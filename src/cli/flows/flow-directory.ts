import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { dataDirectory } from '../../contract/data-directory.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import { contextPath, readContext } from '../context-file.ts';

/** The data directory whose records are looked at: the one given, or the one in the context file. */
export async function recordData(option: string | undefined): Promise<string> {
  const data = option ?? (await readContext(contextPath())).data;
  if (data === undefined)
    throw new CliError(exitCodes.invalid, 'no data directory is known: give --data DIR');
  return resolve(data);
}

/** Where the flow records of a data directory are: of the one given, or of the one in the context file. */
export const flowDirectory = async (option: string | undefined): Promise<string> =>
  join(await recordData(option), dataDirectory.flows);

export const addDataOption = (command: Command): Command =>
  command.option('--data <dir>', 'data directory of the server (default: the one in the context file)');

export const cannotReadRecords = (directory: string, error: unknown): CliError =>
  new CliError(exitCodes.invalid, `flow records in ${directory} cannot be read: ${(error as Error).message}`);
