import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { restoreBackup } from '../backup/restore-backup.ts';
import type { Restored } from '../backup/restore-backup.ts';
import { dataDirectory } from '../contract/data-directory.ts';
import { loadSettings, SettingsError } from '../control/settings-file.ts';
import { addUnlock, readUnlock } from './backup-key.ts';
import type { UnlockOptions } from './backup-key.ts';
import { backupFailure, summaryLines, summaryOf } from './backup-summary.ts';
import { CliError, exitCodes } from './cli-error.ts';
import { addOutput, printData } from './output.ts';
import type { OutputFormat } from './output.ts';
import { showProgress } from './progress.ts';

interface RestoreOptions extends UnlockOptions {
  readonly data: string;
  readonly keepRevocationsFrom?: readonly string[];
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
      '--keep-revocations-from <dir>',
      'data directory or ledger that went on after the backup; what it revoked stays revoked (may be repeated)',
      collect,
    );
  addOutput(addUnlock(command))
    .addHelpText(
      'after',
      `
All of the backup is verified before anything takes its place. The ledger where the backup was taken is asked by itself,
where it is still on this machine; it is only read.

Examples:
  postern restore /mnt/backup/postern.age --data /var/lib/postern
  postern restore /mnt/backup/postern.age --data /var/lib/postern --keep-revocations-from /mnt/old-disk/var/lib/postern`,
    )
    .action(async (file: string, options: RestoreOptions) => restore(resolve(file), options));
}

const collect = (value: string, previous: readonly string[] = []): readonly string[] => [...previous, value];

async function restore(file: string, options: RestoreOptions): Promise<void> {
  if (!existsSync(file)) throw new CliError(exitCodes.invalid, `${file}: no such file`);
  const directory = resolve(options.data);
  const unlock = await readUnlock(options);
  const { progress, end } = showProgress();
  let restored: Restored;
  try {
    const survivors = options.keepRevocationsFrom ?? [];
    restored = await restoreBackup({ file, unlock, directory, survivors, now: Date.now(), progress });
  } catch (error) {
    throw backupFailure(error, file, exitCodes.invalid);
  } finally {
    end();
  }
  const settingsFile = join(directory, dataDirectory.settings);
  const result = describe(restored, file, directory);
  printData(options.output, result, () => [
    `Restored ${directory}.`,
    ...summaryLines(result.backup),
    ...keptLines(result),
    '',
    'Next:',
    `  1. Look at ${settingsFile}: addresses and names are those of the machine that was.`,
    `  2. postern doctor --config ${settingsFile}`,
    `  3. postern serve --config ${settingsFile}`,
  ]);
  for (const problem of restored.problems) process.stderr.write(`postern: ${problem}\n`);
  for (const problem of settingsProblems(settingsFile)) process.stderr.write(`postern: ${problem}\n`);
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
}: ReturnType<typeof describe>): string[] {
  const kept = appended.filter(
    ({ type }) => type !== 'installation-restored' && type !== 'enrollment-token-withdrawn',
  );
  const renewed = kept.filter(({ type }) => type === 'device-certificate-renewed').length;
  const tokens = appended.filter(({ type }) => type === 'enrollment-token-withdrawn').length;
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
          case 'resource-deleted':
            return `  ${event.kind} ${event.name} is deleted`;
          default:
            return `  ${event.type}`;
        }
      }),
    ...(survivors.length > 0 && kept.length === 0 ? ['  it had none that the backup does not have'] : []),
    ...(renewed === 0 ? [] : [`${renewed} certificates that laptops renewed after the backup stay good.`]),
    ...(tokens === 0
      ? []
      : [`${tokens} enrollment tokens that were not used yet are withdrawn: make new ones.`]),
    ...enrolledSince.map(
      ({ id, user }) => `Device ${id} of ${user} was enrolled after the backup: enroll it again.`,
    ),
    ...(changedSince.length === 0
      ? []
      : ['As the backup has them, and changed since:', ...changedSince.map((name) => `  ${name}`)]),
  ];
}

/** A restored directory is whole also where its settings are of another version: that is for people to mend. */
function settingsProblems(settingsFile: string): readonly string[] {
  try {
    loadSettings(settingsFile);
    return [];
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
}
