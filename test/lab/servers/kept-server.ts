import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/** A server of a test's own, that the test may kill and start again. */
export interface KeptServer {
  /** Resolves once it takes connections. @throws where it ended before, with what it said. */
  readonly start: () => Promise<void>;
  /** Resolves once it has ended. */
  readonly kill: () => Promise<void>;
  readonly signal: (signal: NodeJS.Signals) => void;
}

const running = new Set<ChildProcess>();
// However this process ends, what it started ends too.
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** @param port of loopback, at which it will listen. */
export function keepServer(port: number, launch: () => ChildProcess): KeptServer {
  let child: ChildProcess;
  return {
    async start() {
      const launched = launch();
      child = launched;
      running.add(launched);
      launched.once('exit', () => running.delete(launched));
      let said = '';
      child.stdout?.on('data', (piece: Buffer) => (said += piece.toString()));
      while (!(await accepts(port))) {
        if (child.exitCode !== null)
          throw new Error(`${child.spawnfile} ended with ${child.exitCode}:\n${said}`);
        // Not listening yet, and there is nothing to be told by.
        await pause(20);
      }
    },
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, 'exit');
      child.kill('SIGKILL');
      await exit;
    },
    signal: (signal) => void child.kill(signal),
  };
}

/** Whether somebody takes connections there. */
export async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
