import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import type { Programs } from '../../src/supervisor/commands.ts';
import { ownPrograms } from '../../src/supervisor/commands.ts';

/** What a stand-in says; which fields there are depends on `event`. */
export interface PeerEvent {
  readonly event: string;
  readonly tag?: number;
  readonly program: string;
  readonly pid: number;
  readonly env: readonly string[];
  readonly message: PeerMessage | undefined;
}

/** A message that the supervisor sent to a stand-in. */
export interface PeerMessage {
  readonly type: string;
  readonly worker: number;
  readonly message: unknown;
}

/** A stand-in process as the test sees it. */
export interface Peer {
  readonly pid: number;
  readonly started: PeerEvent;
  send(command: Record<string, unknown>): void;
  /** The next event, from the first that was not taken yet, that fits. */
  next(fits: (event: PeerEvent) => boolean): Promise<PeerEvent>;
  /** The next message from the supervisor of a type. */
  readonly message: (type: string) => Promise<PeerMessage>;
  readonly ended: Promise<void>;
}

/** Where stand-ins for the control process and workers report to, as real child processes of a real supervisor. */
export interface Hub {
  readonly programs: Programs;
  readonly directory: string;
  /** The next stand-in that starts, of those that were not taken yet. */
  peer(program: 'control' | 'worker'): Promise<Peer>;
  close(): Promise<void>;
}

export async function createHub(): Promise<Hub> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-hub-'));
  const path = join(directory, 'hub');
  const arrived = createQueue<Peer & { program: string }>();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    const ended = once(socket, 'close').then(() => void sockets.delete(socket));
    const events = createQueue<PeerEvent>();
    const next: Peer['next'] = (fits) => events.take(fits);
    createInterface({ input: socket }).on('line', (line) => {
      const event = JSON.parse(line) as PeerEvent;
      if (event.event !== 'started') return events.add(event);
      arrived.add({
        program: event.program,
        pid: event.pid,
        started: event,
        ended,
        next,
        send: (command) => void socket.write(`${JSON.stringify(command)}\n`),
        message: async (type) => (await next(({ message }) => message?.type === type)).message as PeerMessage,
      });
    });
  });
  server.listen(path);
  await once(server, 'listening');
  // Workers get no environment of ours, so that the way to the hub is written into the program.
  const program = async (name: 'control' | 'worker'): Promise<string> => {
    const file = join(directory, `${name}.mjs`);
    const fixture = pathToFileURL(join(import.meta.dirname, 'fixtures', `${name}.ts`)).href;
    await writeFile(
      file,
      `process.env.HUB = ${JSON.stringify(path)};\nawait import(${JSON.stringify(fixture)});\n`,
    );
    return file;
  };
  return {
    directory,
    programs: {
      control: await program('control'),
      worker: await program('worker'),
      connector: ownPrograms.connector,
      shipper: ownPrograms.shipper,
    },
    peer: (wanted) => arrived.take(({ program }) => program === wanted),
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function createQueue<T>(): { add(item: T): void; take(fits: (item: T) => boolean): Promise<T> } {
  const items: T[] = [];
  const waiting = new Set<() => void>();
  return {
    add(item) {
      items.push(item);
      for (const look of waiting) look();
    },
    take: (fits) =>
      new Promise((resolve) => {
        const look = (): void => {
          const index = items.findIndex(fits);
          if (index < 0) return;
          waiting.delete(look);
          resolve(items.splice(index, 1)[0] as T);
        };
        waiting.add(look);
        look();
      }),
  };
}
