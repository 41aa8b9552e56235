import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { dataDirectory } from '../../contract/data-directory.ts';
import type { RedisSettings } from '../../contract/redis-settings.ts';
import type { Settings } from '../../contract/settings.ts';
import { findLedgerProblems } from '../../control/store/ledger-rules.ts';
import { dataPathOf } from '../../control/store/open-data-directory.ts';
import { copyLedger, CopyRefused } from '../../ledger/copy-ledger.ts';
import { LedgerConflict, LedgerCorrupt, LedgerUnavailable } from '../../ledger/ledger.ts';
import type { Ledger, StoredLedger } from '../../ledger/ledger.ts';
import { readRedisAddress } from '../../ledger/redis/redis-address.ts';
import { openRedisLedger } from '../../ledger/redis/redis-ledger.ts';
import { openSqliteLedger } from '../../ledger/sqlite/sqlite-ledger.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import { findConfig } from '../find-config.ts';
import { readSettings } from '../read-settings.ts';
import { addOutput, printData } from '../terminal/output.ts';
import type { OutputFormat } from '../terminal/output.ts';

interface CopyOptions {
  readonly config?: string;
  readonly to?: string;
  readonly redis?: string;
  readonly prefix: string;
  readonly username?: string;
  readonly passwordFile?: string;
  readonly caFile?: string;
  readonly output: OutputFormat;
}

export function registerLedgerCopy(group: Command): void {
  const command = group
    .command('copy')
    .description('copy the embedded ledger to Redis, entry for entry, and compare it there')
    .option('--config <file>', 'settings of the installation whose data directory has the ledger')
    .option('--to <file>', 'settings whose `ledger.redis` says where to')
    .option('--redis <url>', 'where to: redis://HOST:PORT or rediss://HOST:PORT')
    .option('--prefix <word>', 'with --redis: names the installation in that Redis', 'postern')
    .option('--username <name>', 'with --redis')
    .option('--password-file <file>', 'with --redis: its first line is the password')
    .option('--ca-file <file>', 'with --redis: authorities of its certificate, PEM');
  addOutput(command)
    .addHelpText(
      'after',
      `
Stop the servers first: what they change after the copy stays behind. A target that holds anything but the beginning of
this ledger is refused and left as it is. To go on after an interruption, or to bring what came since, run it again.

Examples:
  postern ledger copy --config /var/lib/postern/postern.yaml --to /etc/postern/with-redis.yaml
  postern ledger copy --redis rediss://redis.example.org:6379 --ca-file redis-ca.pem \\
    --username postern --password-file /etc/postern/redis-password`,
    )
    .action(async (options: CopyOptions) => {
      const configFile = await findConfig(options.config);
      const { data } = readSettings(configFile);
      const { redis, directory } = targetOf(options);
      const source = join(dataPathOf(configFile, data), dataDirectory.ledger);
      const { head, had } = await copying(
        () => openSqliteLedger(source),
        () => openRedisLedger(readRedisAddress(redis, directory)),
      );
      printData(options.output, { ...head, copied: head.sequence - had }, () => [
        `Copied ${head.sequence - had} entries; ${had} were there. The target is whole: ${head.sequence} entries, the last with hash ${head.hash}.`,
      ]);
    });
}

function targetOf(options: CopyOptions): { redis: RedisSettings; directory: string } {
  const { to, redis: url, prefix, username, passwordFile, caFile } = options;
  if ((to === undefined) === (url === undefined))
    throw new CliError(exitCodes.invalid, 'give one of --to FILE and --redis URL');
  if (to !== undefined) {
    const { ledger } = readSettings(to);
    if (ledger === undefined || !('redis' in ledger))
      throw new CliError(exitCodes.invalid, `${to} has no \`ledger.redis\`: nothing to copy to`);
    return { redis: ledger.redis, directory: dirname(to) };
  }
  const redis: RedisSettings = {
    prefix,
    ...(url === undefined ? {} : { url }),
    ...(username === undefined ? {} : { username }),
    ...(passwordFile === undefined ? {} : { passwordFile }),
    ...(caFile === undefined ? {} : { caFile }),
  };
  const problems = findLedgerProblems({ ledger: { redis } } as Settings).map(({ message }) => message);
  if (problems.length > 0) throw new CliError(exitCodes.invalid, 'the target cannot be used', problems);
  return { redis, directory: process.cwd() };
}

async function copying(
  openSource: () => Ledger,
  openTarget: () => StoredLedger,
): ReturnType<typeof copyLedger> {
  const open: Ledger[] = [];
  try {
    const source = openSource();
    open.push(source);
    const target = openTarget();
    open.push(target);
    return await copyLedger(source, target);
  } catch (error) {
    if (error instanceof CopyRefused || error instanceof LedgerConflict || error instanceof LedgerCorrupt)
      throw new CliError(exitCodes.no, error.message);
    if (error instanceof LedgerUnavailable) throw new CliError(exitCodes.unreachable, error.message);
    throw error;
  } finally {
    for (const ledger of open) await ledger.close();
  }
}
