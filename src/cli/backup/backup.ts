import { existsSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, resolve, sep } from 'node:path';
import type { Command } from 'commander';
import { noteBackup } from '../../backup/last-backup.ts';
import { takeBackup, verifyBackup } from '../../backup/take-backup.ts';
import type { TakenBackup } from '../../backup/take-backup.ts';
import type { Settings } from '../../contract/settings.ts';
import { checkFormat, dataPathOf } from '../../control/store/open-data-directory.ts';
import { loadSettings } from '../../control/settings-file.ts';
import { openLedger } from '../../control/store/open-ledger.ts';
import { addUnlock, readLock, readUnlock } from './backup-key.ts';
import type { UnlockOptions } from './backup-key.ts';
import { backupFailure, checkBackupFile, summaryLines, summaryOf } from './backup-summary.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import { findConfig } from '../find-config.ts';
import { addOutput, printData } from '../terminal/output.ts';
import type { OutputFormat } from '../terminal/output.ts';
import { showProgress } from '../terminal/progress.ts';

interface BackupOptions extends UnlockOptions {
  readonly config?: string;
  readonly recipient?: readonly string[];
  readonly force?: true;
  readonly verify?: true;
  readonly output: OutputFormat;
}

export function registerBackup(program: Command): void {
  const command = program
    .command('backup')
    .description('write all that is needed to stand up elsewhere into one encrypted file, and read it back')
    .argument('<file>', 'where the backup goes, outside the data directory')
    .option(
      '--config <file>',
      'settings (default: postern.yaml of the data directory in the context file, or here)',
    )
    .option(
      '--recipient <age1…>',
      'lock it for the holder of a key of age instead (may be repeated)',
      collect,
    )
    .option('--force', 'replace the file, once the new backup is verified')
    .option(
      '--verify',
      'make none: open the file, check all of it, and say what is in it; exits 1 when it is damaged',
    );
  addOutput(addUnlock(command))
    .addHelpText(
      'after',
      `
Keys, certificates, settings and the whole ledger are in it; flow records are not. It may run beside the server. The
backup is in the age format over tar, so that \`age --decrypt FILE | tar x\` opens it without postern. Whoever opens it
is this installation: keep file and passphrase apart, and both away from this machine.

Examples:
  postern backup /mnt/backup/postern-$(date +%F).age --passphrase-file /etc/postern/backup-passphrase
  postern backup /mnt/backup/postern.age --force --recipient age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p
  postern backup --verify /mnt/backup/postern.age`,
    )
    .action(async (file: string, options: BackupOptions) => {
      await (options.verify === true ? verify(resolve(file), options) : take(resolve(file), options));
    });
}

const collect = (value: string, previous: readonly string[] = []): readonly string[] => [...previous, value];

async function take(file: string, options: BackupOptions): Promise<void> {
  const configFile = await findConfig(options.config);
  const { progress, end } = showProgress();
  let taken: TakenBackup;
  let directory: string;
  let settings: Settings;
  try {
    settings = loadSettings(configFile);
    directory = dataPathOf(configFile, settings.data);
    checkFormat(directory);
    checkPlace(file, directory, options.force === true);
    const lock = await readLock(options);
    const ledger = openLedger(settings, configFile);
    try {
      const now = Date.now();
      taken = await takeBackup({
        directory,
        settings: await readFile(configFile),
        ledger,
        isShared: settings.ledger !== undefined && 'redis' in settings.ledger,
        file,
        lock,
        now,
        progress,
      });
    } finally {
      await ledger.close();
    }
  } catch (error) {
    throw backupFailure(error, file, exitCodes.invalid);
  } finally {
    end();
  }
  const summary = summaryOf(taken, file);
  const leftOut = [...taken.leftOut, ...filesElsewhere(settings, dirname(configFile), directory)];
  printData(options.output, { ...summary, leftOut }, () => [
    `Backup written to ${file}, read back and verified.`,
    ...summaryLines(summary),
  ]);
  for (const what of leftOut) process.stderr.write(`postern: not in the backup: ${what}\n`);
  if (summary.hasRootKey)
    process.stderr.write(
      'postern: the root key is still on this machine, and so in this backup: move it to offline media\n',
    );
  try {
    noteBackup(directory, { at: taken.manifest.createdAt, file, sequence: summary.head.sequence });
  } catch (error) {
    process.stderr.write(
      `postern: the backup is whole, but could not be noted: ${(error as Error).message}\n`,
    );
  }
}

function checkPlace(file: string, directory: string, mayReplace: boolean): void {
  if (file.startsWith(`${directory}${sep}`))
    throw new CliError(exitCodes.invalid, `${file} is in the data directory, and would be lost with it`);
  if (!mayReplace && existsSync(file))
    throw new CliError(
      exitCodes.invalid,
      `${file} exists; --force replaces it once the new backup is verified`,
    );
}

/** Files that the settings name and that lie elsewhere, such as those beside settings in /etc. */
function filesElsewhere(value: unknown, beside: string, directory: string): string[] {
  if (typeof value === 'object' && value !== null)
    return Object.values(value).flatMap((inner) => filesElsewhere(inner, beside, directory));
  if (typeof value !== 'string') return [];
  const path = resolve(beside, value);
  const isElsewhere =
    !path.startsWith(`${directory}${sep}`) && statSync(path, { throwIfNoEntry: false })?.isFile();
  return isElsewhere === true ? [`${path}: the settings name it, and it is outside the data directory`] : [];
}

async function verify(file: string, options: BackupOptions): Promise<void> {
  checkBackupFile(file);
  const unlock = await readUnlock(options);
  const { progress, end } = showProgress();
  try {
    const summary = summaryOf(await verifyBackup(file, unlock, progress), file);
    printData(options.output, summary, () => [`${file} is whole.`, ...summaryLines(summary)]);
  } catch (error) {
    throw backupFailure(error, file, exitCodes.no);
  } finally {
    end();
  }
}
