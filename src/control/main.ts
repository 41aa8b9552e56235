import { pino } from 'pino';
import { KeyFileError } from '../../certs/key-file.ts';
import type { ControlMessage, SupervisorToControl } from '../contract/ipc.ts';
import { LedgerCorrupt, LedgerUnavailable } from '../ledger/ledger.ts';
import { DataDirectoryError } from './store/open-data-directory.ts';
import { runControl } from './run-control.ts';
import type { ControlProcess } from './run-control.ts';
import { loadSettings, SettingsError } from './settings-file.ts';

/** The control process: started by the supervisor, spoken to over its channel alone, ended by `drain`. */

const exitCodes = { failed: 1, unusable: 2 } as const;

const send = (message: ControlMessage): void => {
  // The supervisor may be gone already; `disconnect` then ends us.
  if (process.connected) process.send?.(message);
};

/** Errors that a person has to mend: to start again would only say the same. */
const isForPeople = (error: unknown): error is Error =>
  error instanceof SettingsError ||
  error instanceof DataDirectoryError ||
  error instanceof KeyFileError ||
  error instanceof LedgerCorrupt ||
  error instanceof LedgerUnavailable ||
  (error instanceof Error &&
    'code' in error &&
    (error.code === 'EADDRINUSE' || error.code === 'EACCES' || error.code === 'EADDRNOTAVAIL'));

let running: Promise<ControlProcess> | undefined;

async function start(message: Extract<SupervisorToControl, { type: 'start' }>): Promise<ControlProcess> {
  const settings = loadSettings(message.configFile);
  const logger = pino(
    { level: settings.log.level, base: { process: 'control' } },
    pino.destination({ fd: 2, sync: true }),
  );
  return runControl({ start: message, settings, send, clock: Date.now, logger });
}

async function stop(): Promise<void> {
  const control = await running?.catch(() => undefined);
  await control?.close();
  process.exit(0);
}

/** What a person has to mend is for the supervisor to tell, once; what is ours to mend is told here, with its stack. */
function fail(error: unknown): void {
  const code = isForPeople(error) ? exitCodes.unusable : exitCodes.failed;
  if (code === exitCodes.failed)
    process.stderr.write(
      `postern: control process: ${error instanceof Error ? error.stack : String(error)}\n`,
    );
  if (code !== exitCodes.unusable || !process.connected || process.send === undefined) process.exit(code);
  const detail = error instanceof Error ? error.message : String(error);
  process.send({ type: 'fatal', detail } satisfies ControlMessage, () => process.exit(code));
}

process.on('message', (message: SupervisorToControl) => {
  if (message.type === 'start') {
    running ??= start(message);
    running.catch(fail);
    return;
  }
  if (message.type === 'drain') {
    stop().catch(fail);
    return;
  }
  // Workers may speak before the ledger is open; what they say waits.
  running?.then((control) => control.receive(message)).catch(() => undefined);
});
process.once('disconnect', () => {
  stop().catch(fail);
});
// Ctrl-C goes to the whole group of processes; the supervisor says when to end.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
