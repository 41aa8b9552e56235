import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { restoreBackup } from '../../backup/restore-backup.ts';
import type { Restored } from '../../backup/restore-backup.ts';
import { dataDirectory } from '../../contract/data-directory.ts';
import type { Settings } from '../../contract/settings.ts';
import { countOf } from '../../domain/count-of.ts';
import { createApiKey } from '../../control/api/api-key.ts';
import { loadSettings, SettingsError } from '../../control/settings-file.ts';
import { addUnlock, readUnlock } from './backup-key.ts';
import type { UnlockOptions } from './backup-key.ts';
import { backupFailure, checkBackupFile, summaryLines, summaryOf } from './backup-summary.ts';
import { exitCodes } from '../cli-error.ts';
import { contextPath, writeContext } from '../context-file.ts';
import { addOutput, printData } from '../terminal/output.ts';
import type { OutputFormat } from '../terminal/output.ts';
import { showProgress } from '../terminal/progress.ts';

interface RestoreOptions extends UnlockOptions {
  readonly data: string;
  readonly keepRevocationsFrom?: readonly string[];
  readonly newApiKey?: true;
  readonly output: OutputFormat;
}

export function registerRestore(program: Command): void {
  const command = program
    .command('restore')
    .description(
      'make the data directory of a backup again: laptops reconnect by themselves, and nothing revoked comes back',
    )
    .argument('<file>', 'a backup, as `postern backup` wrote it')
    .requiredOption('--data <dir>', 'directory to make; it must be empty or not exist')
    .option(
      '--keep-revocations-from <place>',
      'data directory, ledger file or settings (for a ledger in Redis) that went on after the backup; what it revoked stays revoked (may be repeated)',
      collect,
    )
    .option(
      '--new-api-key',
      'make an API key of an owner, for whom those of before are lost; printed once, and kept in the context file',
    );
  addOutput(addUnlock(command))
    .addHelpText(
      'after',
      `
All of the backup is verified before anything takes its place. The ledger where the backup was taken is asked by itself,
where it is still on this machine; it is only read.

Examples:
  postern restore /mnt/backup/postern.age --data /var/lib/postern
  postern restore /mnt/backup/postern.age --data /var/lib/postern --keep-revocations-from /mnt/old-disk/var/lib/postern
  postern restore /mnt/backup/postern.age --data /var/lib/postern --new-api-key`,
    )
    .action(async (file: string, options: RestoreOptions) => restore(resolve(file), options));
}

const collect = (value: string, previous: readonly string[] = []): readonly string[] => [...previous, value];

async function restore(file: string, options: RestoreOptions): Promise<void> {
  checkBackupFile(file);
  const directory = resolve(options.data);
  const unlock = await readUnlock(options);
  const { progress, end } = showProgress();
  const made = options.newApiKey === true ? createApiKey({ name: 'restore', role: 'owner' }) : undefined;
  let restored: Restored;
  try {
    const survivors = options.keepRevocationsFrom ?? [];
    const events = made === undefined ? [] : [made.event];
    restored = await restoreBackup({ file, unlock, directory, survivors, events, now: Date.now(), progress });
  } catch (error) {
    throw backupFailure(error, file, exitCodes.invalid);
  } finally {
    end();
  }
  const settingsFile = join(directory, dataDirectory.settings);
  const settings = readSettingsThere(settingsFile);
  const apiKey = made?.key;
  const result = { ...describe(restored, file, directory), ...(apiKey === undefined ? {} : { apiKey }) };
  printData(options.output, result, () => [
    `Restored ${directory}.`,
    ...summaryLines(result.backup),
    ...keptLines(result),
    ...(apiKey === undefined ? [] : ['', 'API key of an owner, shown this once:', `  ${apiKey}`]),
    '',
    'Next:',
    `  1. Look at ${settingsFile}: addresses and names are those of the machine that was.`,
    ...('ledger' in settings && settings.ledger !== undefined && 'redis' in settings.ledger
      ? [
          '     They keep the ledger in Redis. One that still has it goes on by itself; into one that lost it:',
          `     postern ledger copy --config ${settingsFile} --to ${settingsFile}`,
        ]
      : []),
    `  2. postern doctor --config ${settingsFile}`,
    `  3. postern serve --config ${settingsFile}`,
  ]);
  if (apiKey !== undefined) await keepContext(directory, apiKey, settings);
  for (const problem of restored.problems) process.stderr.write(`postern: ${problem}\n`);
  if ('problems' in settings)
    for (const problem of settings.problems) process.stderr.write(`postern: ${problem}\n`);
}

const describe = (restored: Restored, file: string, directory: string) => ({
  directory,
  backup: summaryOf(restored, file),
  head: restored.state.head,
  survivors: restored.survivors,
  appended: restored.appended,
  enrolledSince: restored.enrolledSince.map(({ id, user }) => ({ id, user })),
  changedSince: restored.changedSince,
  problems: restored.problems,
});

function keptLines({
  survivors,
  appended,
  enrolledSince,
  changedSince,
  problems,
}: ReturnType<typeof describe>): string[] {
  const kept = appended.filter(
    ({ type }) =>
      type !== 'installation-restored' && type !== 'enrollment-token-withdrawn' && type !== 'change-rejected',
  );
  const renewed = kept.filter(({ type }) => type === 'device-certificate-renewed').length;
  const tokens = appended.filter(({ type }) => type === 'enrollment-token-withdrawn').length;
  const proposals = appended.filter(({ type }) => type === 'change-rejected').length;
  return [
    '',
    survivors.length === 0
      ? 'No later ledger was at hand: what was revoked after the backup is not known. Revoke it again.'
      : `Revocations were kept from ${survivors.join(', ')}:`,
    ...kept
      .filter(({ type }) => type !== 'device-certificate-renewed')
      .map((event) => {
        switch (event.type) {
          case 'device-state-changed':
            return `  device ${event.device} is ${event.state}: ${event.reason}`;
          case 'api-key-revoked':
            return `  API key ${event.id} is revoked`;
          case 'key-retired':
            return `  signing key ${event.kid} is retired`;
          case 'sign-in-ended':
            return `  the sign-in of ${event.user} is ended`;
          case 'person-erased':
            return `  the key of person ${event.person} stays destroyed`;
          case 'resource-put':
            return `  ${event.resource.kind} ${event.resource.name} has only whom both ledgers have in it`;
          case 'resource-deleted':
            return `  ${event.kind} ${event.name} is deleted`;
          default:
            return `  ${event.type}`;
        }
      }),
    ...(survivors.length > 0 && kept.length === 0 && problems.length === 0
      ? ['  it had none that the backup does not have']
      : []),
    ...(problems.length === 0
      ? []
      : [
          '  as far as it could be read (below). What was revoked in what could not is not known: revoke it again.',
        ]),
    ...(renewed === 0
      ? []
      : [`Stay good, though laptops renewed them after the backup: ${countOf(renewed, 'certificate')}.`]),
    ...(tokens === 0
      ? []
      : [`Withdrawn, since not used yet: ${countOf(tokens, 'enrollment token')}. Make new ones.`]),
    ...(proposals === 0
      ? []
      : [
          `Rejected, since waiting for a second person: ${countOf(proposals, 'change')}. Propose anew what is still wanted.`,
        ]),
    ...enrolledSince.map(
      ({ id, user }) => `Device ${id} of ${user} was enrolled after the backup: enroll it again.`,
    ),
    ...(changedSince.length === 0
      ? []
      : ['As the backup has them, and changed since:', ...changedSince.map((name) => `  ${name}`)]),
  ];
}

/** A restored directory is whole also where its settings are of another version: that is for people to mend. */
function readSettingsThere(settingsFile: string): Settings | { readonly problems: readonly string[] } {
  try {
    return loadSettings(settingsFile);
  } catch (error) {
    if (error instanceof SettingsError) return { problems: error.problems };
    throw error;
  }
}

/** As `postern init` does: the other commands need no options then. */
async function keepContext(
  directory: string,
  apiKey: string,
  settings: ReturnType<typeof readSettingsThere>,
): Promise<void> {
  const port = 'control' in settings ? settings.control.port : 8444;
  const ca = await readFile(join(directory, dataDirectory.rootCertificate), 'utf8');
  await writeContext(contextPath(), { server: `https://localhost:${port}`, apiKey, ca, data: directory });
}
