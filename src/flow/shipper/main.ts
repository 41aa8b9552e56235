import { pino } from 'pino';
import packageFile from '../../../package.json' with { type: 'json' };
import type { ShipperMessage } from '../../contract/ipc.ts';
import type { SupervisorToShipper } from './messages.ts';
import { startShipper } from './shipper.ts';
import type { Shipper } from './shipper.ts';

/**
 * The process that delivers records: started by the supervisor as the user whose records it reads, spoken to over its channel alone.
 * It reads the spool, writes its cursors, and can be killed at any moment: flows go on without it.
 */

const healthEveryMs = 5000;
let running: Promise<Shipper> | undefined;
let reporting: NodeJS.Timeout | undefined;

const send = (message: ShipperMessage): void => {
  if (process.connected) process.send?.(message);
};

async function start(message: Extract<SupervisorToShipper, { type: 'start' }>): Promise<Shipper> {
  const { type: _, name, domain, logLevel, ...options } = message;
  const log = pino({ level: logLevel, base: { process: name } }, pino.destination({ fd: 2, sync: true }));
  let shipper: Shipper | undefined;
  const report = (): void => {
    shipper?.health().then(
      (health) => send({ type: 'sink-health', sinks: health }),
      (error: unknown) => log.warn({ err: error }, 'health of the sinks not known'),
    );
  };
  shipper = await startShipper({
    ...options,
    origin: { productVersion: packageFile.version, domain },
    log,
    onChange: report,
  });
  report();
  reporting = setInterval(report, healthEveryMs);
  return shipper;
}

async function stop(withinMs: number): Promise<void> {
  clearInterval(reporting);
  const shipper = await running?.catch(() => undefined);
  await shipper?.stop(withinMs);
  process.exit(0);
}

function fail(error: unknown): void {
  process.stderr.write(`postern: sinks: ${error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(1);
}

process.on('message', (message: SupervisorToShipper) => {
  if (message.type === 'start') {
    running ??= start(message);
    running.catch(fail);
  } else stop(message.withinMs).catch(fail);
});
// The supervisor is gone, and nobody would start us twice: what is not delivered stays in the spool.
process.once('disconnect', () => {
  stop(0).catch(fail);
});
// Ctrl-C goes to the whole group of processes; the supervisor says when to end.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
