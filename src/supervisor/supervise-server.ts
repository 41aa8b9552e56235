import { availableParallelism } from 'node:os';
import { maxWorkers } from '../contract/settings.ts';
import type { Settings } from '../contract/settings.ts';
import { retentionDaysOf } from '../flow/retention.ts';
import type { ResolvedSink } from '../flow/sinks/resolved-sink.ts';
import type { Programs } from './commands.ts';
import type { SupervisorLog } from './log.ts';
import { prepareFlowDirectory, UnusableMachine } from './flow-directory.ts';
import { joinCursors, splitCursors } from './hand-over-cursors.ts';
import { planShippers } from './plan-shippers.ts';
import { reservePort } from './reserve-port.ts';
import { startSupervisor } from './supervisor.ts';
import type { ServerEnd, ServerReady } from './supervisor.ts';

export interface SuperviseOptions {
  readonly configFile: string;
  /** What is in that file; the control process reads it for itself. */
  readonly settings: Settings;
  /** Absolute; `flows` in the data directory. */
  readonly flowDirectory: string;
  /** Absolute; `access` in the data directory, where the control process records. */
  readonly accessDirectory: string;
  /** Absolute; `sinks` in the data directory. */
  readonly sinkDirectory: string;
  /** Absolute; `access-sinks` in the data directory. */
  readonly accessSinkDirectory: string;
  /** Absolute; `archive` in the data directory. */
  readonly archiveDirectory: string;
  /** Where this server's records are delivered to. */
  readonly sinks: readonly ResolvedSink[];
  readonly role: 'all' | 'gateway' | 'control';
  /** Instead of what the settings say. */
  readonly workers?: number;
  readonly passphrase?: string;
  readonly log: SupervisorLog;
  /** Called once, when every worker and the control process answer. */
  readonly onReady: (ready: ServerReady) => void;
  readonly programs?: Programs;
}

/**
 * `postern serve`: runs until SIGTERM or SIGINT, then drains; a second signal ends all at once. Resolves with the exit
 * code and, where it is not 0, the reason. Never rejects.
 */
export async function superviseServer(options: SuperviseOptions): Promise<ServerEnd> {
  const { settings, role } = options;
  const { runAs, gateway, limits } = settings;
  if (runAs !== undefined && process.getuid?.() !== 0) {
    return {
      code: 2,
      detail: 'runAs needs a server that is started by root: start it so, or leave runAs out',
    };
  }
  const hasWorkers = role !== 'control';
  const { sinkDirectory, accessSinkDirectory, archiveDirectory, sinks } = options;
  const shippers = planShippers(sinks, role, runAs, options);
  let reserved: ReturnType<typeof reservePort>;
  try {
    if (hasWorkers) prepareFlowDirectory(options.flowDirectory, runAs);
    const cursors = {
      sinkDirectory,
      accessSinkDirectory,
      names: sinks.map(({ settings: { name } }) => name),
    };
    if (runAs !== undefined && shippers.some(({ name }) => name === 'access-sinks')) {
      prepareFlowDirectory(accessSinkDirectory, undefined);
      // While the other one is not the workers' user's yet.
      await splitCursors(cursors);
    }
    // Also without workers: what a search fetches from object storage lies there.
    if (sinks.length > 0) prepareFlowDirectory(sinkDirectory, runAs);
    if (runAs === undefined) await joinCursors(cursors);
    // Made here, since the user of the workers may not.
    if (shippers.some((shipper) => shipper.sinks.some(({ settings: { type } }) => type === 'archive')))
      prepareFlowDirectory(archiveDirectory, runAs);
    // For who watches it from the start.
    for (const { recordDirectories, runAs: reader } of shippers)
      for (const directory of recordDirectories) prepareFlowDirectory(directory, reader);
    // The workers' own user could not share a port with us.
    if (hasWorkers && gateway.port === 0 && runAs === undefined) reserved = reservePort(gateway.listen);
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return { code: 2, detail: error instanceof UnusableMachine ? detail : `cannot start: ${detail}` };
  }
  const supervisor = startSupervisor({
    configFile: options.configFile,
    role,
    workers: options.workers ?? workersOf(gateway),
    passphrase: options.passphrase,
    dialTimeoutMs: limits.dialTimeoutMs,
    drainTimeoutMs: limits.drainTimeoutMs,
    log: options.log,
    onReady: options.onReady,
    ...(shippers.length === 0
      ? {}
      : {
          shipping: {
            shippers,
            sinks: sinks.map((sink) => sink.settings),
            start: {
              archiveDirectory,
              gateway: gateway.name,
              retention: retentionDaysOf(settings),
              domain: settings.domain,
              logLevel: settings.log.level,
            },
          },
        }),
    ...(reserved === undefined ? {} : { gatewayPort: reserved.port }),
    ...(runAs === undefined ? {} : { runAs }),
    ...(options.programs === undefined ? {} : { programs: options.programs }),
  });
  const stop = (): void => supervisor.stop();
  const signals = ['SIGTERM', 'SIGINT'] as const;
  for (const signal of signals) process.on(signal, stop);
  const end = await supervisor.ended;
  for (const signal of signals) process.off(signal, stop);
  reserved?.release();
  return end;
}

const workersOf = ({ workers }: Settings['gateway']): number =>
  workers === 'auto' ? Math.min(availableParallelism(), maxWorkers) : workers;
