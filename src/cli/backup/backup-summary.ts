import { statSync } from 'node:fs';
import { BackupError } from '../../backup/backup-error.ts';
import type { BackupSummary } from '../../backup/take-backup.ts';
import { dataDirectory } from '../../contract/data-directory.ts';
import { DataDirectoryError } from '../../control/store/open-data-directory.ts';
import { SettingsError } from '../../control/settings-file.ts';
import type { LedgerHead } from '../../domain/control-state.ts';
import { countOf } from '../../domain/count-of.ts';
import { LedgerCorrupt, LedgerUnavailable } from '../../ledger/ledger.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import type { ExitCode } from '../cli-error.ts';
import { formatTime } from '../terminal/output.ts';

/** What a backup holds, for scripts. */
export interface Summary {
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly createdAt: string;
  readonly postern: string;
  readonly domain: string;
  readonly host: string;
  readonly directory: string;
  readonly head: LedgerHead;
  readonly counts: Readonly<
    Record<'devices' | 'networks' | 'apps' | 'groups' | 'policies' | 'files', number>
  >;
  readonly hasRootKey: boolean;
}

export function summaryOf({ manifest, state, paths, bytes, sha256 }: BackupSummary, file: string): Summary {
  const { devices, networks, apps, groups, policies } = state;
  return {
    file,
    bytes,
    sha256,
    createdAt: new Date(manifest.createdAt * 1000).toISOString(),
    postern: manifest.postern,
    domain: manifest.domain,
    host: manifest.host,
    directory: manifest.directory,
    head: manifest.head,
    counts: {
      devices: devices.size,
      networks: networks.size,
      apps: apps.size,
      groups: groups.size,
      policies: policies.size,
      files: paths.length,
    },
    hasRootKey: paths.includes(dataDirectory.rootKey),
  };
}

/** The same for people. */
export const summaryLines = (summary: Summary): string[] => {
  const { devices, networks, apps, groups, policies, files } = summary.counts;
  return [
    `of        ${summary.domain}, ${summary.directory} on ${summary.host}, ${formatTime(Date.parse(summary.createdAt) / 1000)}`,
    `ledger    ${summary.head.sequence} entries, head ${summary.head.hash}`,
    `state     ${[
      countOf(devices, 'device'),
      countOf(networks, 'network'),
      countOf(apps, 'app'),
      countOf(groups, 'group'),
      countOf(policies, 'policy', 'policies'),
    ].join(', ')}`,
    `files     ${files}: settings, certificates, keys${summary.hasRootKey ? ', and the root key' : ''}`,
    `size      ${summary.bytes} bytes`,
    `SHA-256   ${summary.sha256}`,
  ];
};

/** A file that a command reads as a backup. @throws CliError where it cannot be one */
export function checkBackupFile(file: string): void {
  const status = statSync(file, { throwIfNoEntry: false });
  if (status === undefined) throw new CliError(exitCodes.invalid, `${file}: no such file`);
  if (status.isDirectory())
    throw new CliError(
      exitCodes.invalid,
      `${file} is a folder, not a backup: give the file that \`postern backup\` wrote`,
    );
}

/** What stops a command about backups, as what a person reads; `damaged` has the exit code that the command gives it. */
export function backupFailure(error: unknown, file: string, damaged: ExitCode): unknown {
  if (error instanceof BackupError)
    return new CliError(error.kind === 'damaged' ? damaged : exitCodes.invalid, `${file}: ${error.message}`);
  if (error instanceof SettingsError)
    return new CliError(exitCodes.invalid, 'the settings cannot be used', error.problems);
  if (error instanceof LedgerUnavailable) return new CliError(exitCodes.unreachable, error.message);
  if (error instanceof LedgerCorrupt || error instanceof DataDirectoryError)
    return new CliError(exitCodes.invalid, error.message);
  // Of the file system: a full disk, no permission.
  if (error instanceof Error && 'code' in error && 'syscall' in error)
    return new CliError(exitCodes.invalid, 'path' in error ? error.message : `${file}: ${error.message}`);
  return error;
}
