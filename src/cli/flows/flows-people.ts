import type { Command } from 'commander';
import {
  EraseResponse,
  mostPseudonymsAtOnce,
  PseudonymsResponse,
  ReidentifyResponse,
} from '../../contract/people.ts';
import { countOf } from '../../domain/count-of.ts';
import { addConnection, ApiRefusal, connectApi } from '../api-client.ts';
import type { ApiClient, ConnectionOptions } from '../api-client.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import { addDataOption, cannotReadRecords, recordData } from './flow-directory.ts';
import { addOutput, printable, printData, printLine, tableLines } from '../terminal/output.ts';
import type { OutputFormat } from '../terminal/output.ts';
import { exportPerson } from './person-export.ts';
import type { PersonOnRecord } from './person-export.ts';
import { fetchDevicesOf } from '../devices/server-devices.ts';

export function registerFlowsPeople(group: Command): void {
  registerReidentify(group);
  registerPerson(group);
}

/** Who is behind pseudonyms, asked for in as many requests as it takes. What leads to nobody is left out. */
export async function reidentify(
  api: ApiClient,
  pseudonyms: readonly string[],
  reason: string,
): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (let from = 0; from < pseudonyms.length; from += mostPseudonymsAtOnce) {
    const asked = pseudonyms.slice(from, from + mostPseudonymsAtOnce);
    const { people } = await api.call('POST', '/v1/people/reidentify', ReidentifyResponse, {
      pseudonyms: asked,
      reason,
    });
    for (const { pseudonym, user } of people) found.set(pseudonym, user);
  }
  return found;
}

interface ReidentifyOptions extends ConnectionOptions {
  readonly reason: string;
  readonly output: OutputFormat;
}

function registerReidentify(group: Command): void {
  const command = group
    .command('reidentify <pseudonym...>')
    .description('who is behind pseudonyms in records; exits 1 when one of them leads to nobody any more')
    .requiredOption('--reason <text>', 'why: it stands in the access log, with who asked');
  addOutput(addConnection(command))
    .addHelpText(
      'after',
      `
For owners and the security team.

Examples:
  postern flows reidentify p-2026-11-abcdefghijklmnopqrstuvwxyz --reason "incident 4711"`,
    )
    .action(async (pseudonyms: readonly string[], options: ReidentifyOptions) => {
      const found = await reidentify(await connectApi(options), pseudonyms, options.reason);
      const people = pseudonyms.map((pseudonym) => ({ pseudonym, user: found.get(pseudonym) ?? null }));
      printData(options.output, people, () =>
        tableLines(
          ['PSEUDONYM', 'USER'],
          people.map(({ pseudonym, user }) => [pseudonym, printable(user ?? 'nobody, or nobody any more')]),
        ),
      );
      if (people.some(({ user }) => user === null)) process.exitCode = exitCodes.no;
    });
}

interface PersonOptions extends ConnectionOptions {
  readonly reason: string;
  readonly export?: string;
  readonly erase?: true;
  readonly data?: string;
}

function registerPerson(group: Command): void {
  const command = group
    .command('person <user>')
    .description('all that records hold about one person, for that person; or the end of it')
    .requiredOption('--reason <text>', 'why: it stands in the access log or the ledger, with who asked')
    .option('--export <file>', 'write it as JSON to a new file')
    .option(
      '--erase',
      'destroy the key behind the pseudonyms of this person (owners only; cannot be undone)',
    );
  addDataOption(addConnection(command))
    .addHelpText(
      'after',
      `
The export reads the records of this server's data directory; run it on each server that has workers.
Erasing leaves the records whole, and nobody can tell any more whom they are of (docs/personal-data.md).

Examples:
  postern flows person alice@example.org --export alice.json --reason "access request of 2026-11-03"
  postern flows person alice@example.org --erase --reason "left; erasure request of 2026-11-03"`,
    )
    .action(async (user: string, options: PersonOptions) => {
      if ((options.export === undefined) === (options.erase === undefined))
        throw new CliError(exitCodes.invalid, 'give one of --export FILE and --erase');
      const api = await connectApi(options);
      if (options.export !== undefined) await exportTo(options.export, user, api, options);
      else {
        const { reason } = options;
        const { person } = await api.call('POST', '/v1/people/erase', EraseResponse, { user, reason });
        printLine(`The key is destroyed; in the ledger it is person ${person}.`);
      }
    });
}

async function exportTo(file: string, user: string, api: ApiClient, options: PersonOptions): Promise<void> {
  const data = await recordData(options.data);
  const person: PersonOnRecord = {
    user,
    ...(await pseudonymsOf(api, user, options.reason)),
    devices: await fetchDevicesOf(api, user),
  };
  try {
    const count = await exportPerson(data, person, file);
    printLine(
      `${countOf(count, 'record')} and ${countOf(person.devices.length, 'device')} written to ${printable(file)}`,
    );
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST')
      throw new CliError(exitCodes.invalid, `${printable(file)} is there already`);
    throw cannotReadRecords(data, error);
  }
}

/** None where records have names. */
async function pseudonymsOf(api: ApiClient, user: string, reason: string): Promise<PseudonymsResponse> {
  try {
    const body = { user, reason };
    return await api.call('POST', '/v1/people/pseudonyms', PseudonymsResponse, body);
  } catch (error) {
    if (error instanceof ApiRefusal && error.code === 'pseudonyms-off') return { pseudonyms: [] };
    throw error;
  }
}
