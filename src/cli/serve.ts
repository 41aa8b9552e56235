import { dirname, join, resolve } from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { pino } from 'pino';
import { dataDirectory } from '../contract/data-directory.ts';
import { maxWorkers } from '../contract/settings.ts';
import type { Settings } from '../contract/settings.ts';
import type { ResolvedSink } from '../flow/sinks/resolved-sink.ts';
import { checkDataDirectory, DataDirectoryError, dataPathOf } from '../control/store/open-data-directory.ts';
import { resolveSinks, SinkFilesError } from '../flow/sinks/resolve-sinks.ts';
import { superviseServer } from '../supervisor/supervise-server.ts';
import type { ServerReady } from '../supervisor/supervisor.ts';
import { CliError, exitCodes } from './cli-error.ts';
import { findConfig } from './find-config.ts';
import { readSettings } from './read-settings.ts';
import { printLine } from './terminal/output.ts';
import { readPassphrase } from './terminal/passphrase.ts';

interface ServeOptions {
  readonly config?: string;
  readonly role: 'all' | 'gateway' | 'control';
  readonly workers?: number;
  readonly passphraseFile?: string;
}

function parseWorkers(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < 1 || count > maxWorkers)
    throw new InvalidArgumentError(`a number from 1 to ${maxWorkers}`);
  return count;
}

export function registerServe(program: Command): void {
  program
    .command('serve')
    .description('run the gateway and the control plane until SIGTERM, which drains')
    .option(
      '--config <file>',
      'settings (default: postern.yaml of the data directory in the context file, or here)',
    )
    .addOption(
      new Option('--role <role>', 'which part to run here')
        .choices(['all', 'gateway', 'control'])
        .default('all'),
    )
    .option('--workers <number>', 'workers of the gateway, instead of those in the settings', parseWorkers)
    .option('--passphrase-file <file>', 'opens encrypted keys (or POSTERN_PASSPHRASE_FILE)')
    .addHelpText(
      'after',
      `
It prints one line, ready, with its URLs, when every part can be used. The log goes to standard error.

Examples:
  postern serve --config /var/lib/postern/postern.yaml
  postern serve --config ./data/postern.yaml --workers 2`,
    )
    .action(async (options: ServeOptions) => {
      process.exitCode = await serve(options);
    });
}

async function serve(options: ServeOptions): Promise<number> {
  const configFile = await findConfig(options.config);
  const settings = openSettings(configFile);
  const passphrase = await readPassphrase(options.passphraseFile);
  const logger = pino(
    { level: settings.log.level, base: { process: 'supervisor' } },
    pino.destination({ fd: 2, sync: true }),
  );
  const data = dataPathOf(configFile, settings.data);
  const { code, detail } = await superviseServer({
    configFile,
    settings,
    flowDirectory: join(data, dataDirectory.flows),
    accessDirectory: join(data, dataDirectory.accessLog),
    sinkDirectory: join(data, dataDirectory.sinks),
    accessSinkDirectory: join(data, dataDirectory.accessSinks),
    archiveDirectory: join(data, dataDirectory.archive),
    sinks: readSinks(settings, configFile),
    role: options.role,
    ...(options.workers === undefined ? {} : { workers: options.workers }),
    ...(passphrase === undefined ? {} : { passphrase }),
    log: logger,
    onReady: (ready) => printLine(readyLine(settings, ready)),
  });
  if (detail !== undefined) process.stderr.write(`postern: ${detail}\n`);
  return code;
}

/** Before any process starts, so that what a person has to mend is said in one place and at once. */
function openSettings(configFile: string): Settings {
  const settings = readSettings(configFile);
  try {
    checkDataDirectory(dataPathOf(configFile, settings.data));
    return settings;
  } catch (error) {
    if (error instanceof DataDirectoryError) throw new CliError(exitCodes.invalid, error.message);
    throw error;
  }
}

function readSinks({ sinks = [] }: Settings, configFile: string): ResolvedSink[] {
  try {
    return resolveSinks(sinks, dirname(resolve(configFile)));
  } catch (error) {
    if (error instanceof SinkFilesError)
      throw new CliError(exitCodes.invalid, 'the sinks of flow records cannot be used', error.problems);
    throw error;
  }
}

/** A wildcard is where it listens, not where anyone connects to. */
function urlOf(scheme: 'http' | 'https', listen: string, port: number): string {
  const host = ['0.0.0.0', '::', ''].includes(listen)
    ? 'localhost'
    : listen.includes(':')
      ? `[${listen}]`
      : listen;
  return `${scheme}://${host}:${port}`;
}

const readyLine = (
  settings: Settings,
  { gatewayPort, controlPort, operatorPort, workers }: ServerReady,
): string =>
  [
    'ready',
    ...(gatewayPort === undefined ? [] : [`gateway=${urlOf('https', settings.gateway.listen, gatewayPort)}`]),
    ...(controlPort === undefined ? [] : [`control=${urlOf('https', settings.control.listen, controlPort)}`]),
    `operator=${urlOf('http', settings.operator.listen, operatorPort)}`,
    ...(gatewayPort === undefined ? [] : [`workers=${workers}`]),
  ].join(' ');
