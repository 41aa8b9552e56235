import type { NetworkRegistration } from '../../src/contract/ipc.ts';
import type { Programs } from '../../src/supervisor/commands.ts';
import { startSupervisor } from '../../src/supervisor/supervisor.ts';
import type { ServerReady, Supervisor, SupervisorOptions } from '../../src/supervisor/supervisor.ts';
import { createHub } from './hub.ts';
import type { Hub, Peer } from './hub.ts';

/** A supervisor with stand-ins for what it starts, but for connectors, which are real. */
export interface LabServer {
  readonly hub: Hub;
  readonly supervisor: Supervisor;
  readonly ready: Promise<ServerReady>;
  readonly log: readonly LogLine[];
  /** The next line of the log with this sentence, from the first that was not taken yet. */
  readonly logged: (sentence: string) => Promise<LogFacts>;
  close(): Promise<void>;
}

/** What lines of the log say that tests ask for; each line has only some of it. */
export interface LogFacts {
  readonly pid: number;
  readonly network: string;
  readonly detail: string;
  readonly delayMs: number;
}

interface LogLine {
  readonly facts: LogFacts;
  readonly sentence: string;
}

export async function startLabServer(
  options: Partial<SupervisorOptions> = {},
  programs: Partial<Programs> = {},
): Promise<LabServer> {
  const hub = await createHub();
  const log: LogLine[] = [];
  const untaken: LogLine[] = [];
  const lookers = new Set<() => void>();
  const note = (facts: object, sentence: string): void => {
    const line = { facts: facts as LogFacts, sentence };
    log.push(line);
    untaken.push(line);
    for (const look of lookers) look();
  };
  const { promise: ready, resolve: onReady } = Promise.withResolvers<ServerReady>();
  const supervisor = startSupervisor({
    configFile: '/nowhere/postern.yaml',
    role: 'all',
    workers: 1,
    passphrase: undefined,
    dialTimeoutMs: 5000,
    drainTimeoutMs: 10_000,
    log: { info: note, warn: note, error: note },
    onReady,
    programs: { ...hub.programs, ...programs },
    // Tests see a connector start when they dial.
    connectorsAlwaysUpTo: 0,
    ...options,
  });
  return {
    hub,
    supervisor,
    ready,
    log,
    logged: (sentence) =>
      new Promise((resolve) => {
        const look = (): void => {
          const index = untaken.findIndex((line) => line.sentence === sentence);
          if (index < 0) return;
          lookers.delete(look);
          resolve((untaken.splice(index, 1)[0] as LogLine).facts);
        };
        lookers.add(look);
        look();
      }),
    async close() {
      supervisor.stop();
      supervisor.stop();
      await supervisor.ended;
      await hub.close();
    },
  };
}

/** Control process and one worker, both up, the networks announced. */
export async function startServing(
  networks: readonly NetworkRegistration[],
  options: Partial<SupervisorOptions> = {},
  programs: Partial<Programs> = {},
): Promise<LabServer & { readonly control: Peer; readonly worker: Peer }> {
  const server = await startLabServer(options, programs);
  const control = await server.hub.peer('control');
  const worker = await server.hub.peer('worker');
  await announce(control, worker, networks);
  return { ...server, control, worker };
}

/** Sends the networks and waits until they are in force: the message behind them has arrived. */
export async function announce(
  control: Peer,
  worker: Peer,
  networks: readonly NetworkRegistration[],
): Promise<void> {
  control.send({ send: { type: 'networks', networks } });
  control.send({ send: { type: 'for-worker', worker: 'all', message: { type: 'ledger', entries: [] } } });
  await worker.message('from-control');
}

let lastTag = 0;

/** What became of a dial: `dialled` with what was read, or `dial-error` with why. */
export interface DialOutcome {
  readonly event: 'dialled' | 'dial-error';
  readonly banner?: string;
  readonly echo?: string;
  readonly address?: string;
  readonly tookMs?: number;
  readonly failure?: string;
  readonly detail?: string;
}

/** What became of a dial by this worker. */
export async function dial(
  worker: Peer,
  network: string,
  upstream: { host: string; port: number },
): Promise<DialOutcome> {
  const tag = ++lastTag;
  worker.send({ dial: { network, upstream }, tag });
  const { tag: _, ...outcome } = await worker.next((event) => event.tag === tag);
  return outcome as unknown as DialOutcome;
}
