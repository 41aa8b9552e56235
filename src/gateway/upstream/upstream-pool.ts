import { refuse } from '../../contract/refusals.ts';
import type { UpstreamConnection } from './upstream-connection.ts';
import { UpstreamError } from './upstream-failure.ts';

/** Kept connections to one upstream of one app: nothing else ever uses them. */
export interface UpstreamPool {
  /** At once where one is idle. Rejects with UpstreamError. */
  take(): UpstreamConnection | Promise<UpstreamConnection>;
  /** One that was taken can be used by others. */
  free(connection: UpstreamConnection): void;
  closed(connection: UpstreamConnection): void;
  /** Closes what is idle, and what is in use once it is free. */
  close(): void;
  readonly size: number;
}

export interface PoolLimits {
  readonly maxConnections: number;
  /** Requests that may wait for a connection; more are refused. */
  readonly maxWaiting: number;
  readonly waitMs: number;
}

interface Waiter {
  readonly resolve: (connection: UpstreamConnection | Promise<UpstreamConnection>) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/** @param open a new connection, of which this pool is told when it is free or closed. */
export function createUpstreamPool(
  open: () => Promise<UpstreamConnection>,
  limits: PoolLimits,
): UpstreamPool {
  const idle: UpstreamConnection[] = [];
  const waiting: Waiter[] = [];
  let size = 0;
  let isClosed = false;

  const leave = (): void => {
    size -= 1;
    const next = waiting.shift();
    if (next === undefined) return;
    clearTimeout(next.timer);
    next.resolve(openOne());
  };

  const openOne = async (): Promise<UpstreamConnection> => {
    size += 1;
    try {
      return await open();
    } catch (error) {
      leave();
      throw error;
    }
  };

  return {
    get size() {
      return size;
    },
    take() {
      for (;;) {
        const connection = idle.pop();
        if (connection === undefined) break;
        if (!connection.opened.socket.destroyed) return connection;
      }
      if (size < limits.maxConnections) return openOne();
      if (waiting.length >= limits.maxWaiting) {
        return Promise.reject(
          new UpstreamError(refuse('upstream-timeout', 'too many requests wait for this upstream')),
        );
      }
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          const at = waiting.findIndex((waiter) => waiter.timer === timer);
          if (at !== -1) waiting.splice(at, 1);
          reject(new UpstreamError(refuse('upstream-timeout', 'no connection came free in time')));
        }, limits.waitMs);
        waiting.push({ resolve, reject, timer });
      });
    },
    free(connection) {
      if (connection.isClosed) return;
      if (isClosed || connection.opened.socket.destroyed) return connection.destroy();
      const next = waiting.shift();
      if (next === undefined) {
        idle.push(connection);
        return;
      }
      clearTimeout(next.timer);
      next.resolve(connection);
    },
    closed(connection) {
      const at = idle.indexOf(connection);
      if (at !== -1) idle.splice(at, 1);
      leave();
    },
    close() {
      isClosed = true;
      for (const connection of idle.splice(0)) connection.destroy();
    },
  };
}
