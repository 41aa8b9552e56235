import { Client } from 'undici';
import { refuse } from '../../contract/refusals.ts';
import type { OpenedUpstream } from './open-upstream.ts';
import { UpstreamError } from './upstream-failure.ts';

/** One kept connection to an upstream, used by one request at a time. */
export interface UpstreamConnection extends OpenedUpstream {
  readonly client: Client;
  isClosed: boolean;
  /** Never used again after the request that runs: it carries more than that request, such as an NTLM sign-in. */
  isSpent: boolean;
}

/** Kept connections to one upstream of one app: nothing else ever uses them. */
export interface UpstreamPool {
  /** At once where one is idle. Rejects with UpstreamError. */
  take(): UpstreamConnection | Promise<UpstreamConnection>;
  giveBack(connection: UpstreamConnection): void;
  /** Closes what is idle, and what is in use once it is given back. */
  close(): void;
  readonly size: number;
}

export interface PoolLimits {
  readonly maxConnections: number;
  /** Requests that may wait for a connection; more are refused. */
  readonly maxWaiting: number;
  readonly waitMs: number;
  readonly headersTimeoutMs: number;
  readonly bodyIdleTimeoutMs: number;
  readonly maxHeaderBytes: number;
}

const keepAliveMs = 4000;
const keepAliveMaxMs = 60_000;

interface Waiter {
  readonly resolve: (connection: UpstreamConnection | Promise<UpstreamConnection>) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

export function createUpstreamPool(open: () => Promise<OpenedUpstream>, limits: PoolLimits): UpstreamPool {
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
      return toConnection(await open());
    } catch (error) {
      leave();
      throw error;
    }
  };

  const toConnection = (opened: OpenedUpstream): UpstreamConnection => {
    let socket: OpenedUpstream['socket'] | undefined = opened.socket;
    const client = new Client('http://upstream.invalid', {
      // The one connection that there is. When it has gone, undici asks for another and gets none.
      connect: (_options, callback) => {
        const given = socket;
        socket = undefined;
        process.nextTick(() => {
          if (given === undefined || given.destroyed) callback(new Error('connection is gone'), null);
          else callback(null, given);
        });
      },
      allowH2: false,
      pipelining: 1,
      headersTimeout: limits.headersTimeoutMs,
      bodyTimeout: limits.bodyIdleTimeoutMs,
      maxHeaderSize: limits.maxHeaderBytes,
      keepAliveTimeout: keepAliveMs,
      keepAliveMaxTimeout: keepAliveMaxMs,
    });
    const connection: UpstreamConnection = { ...opened, client, isClosed: false, isSpent: false };
    const end = (): void => {
      if (connection.isClosed) return;
      connection.isClosed = true;
      const at = idle.indexOf(connection);
      if (at !== -1) idle.splice(at, 1);
      opened.socket.destroy();
      client.destroy().catch(() => undefined);
      leave();
    };
    client.on('disconnect', end);
    client.on('connectionError', end);
    return connection;
  };

  const destroy = (connection: UpstreamConnection): void => {
    if (connection.isClosed) return;
    connection.isClosed = true;
    connection.client.destroy().catch(() => undefined);
    connection.socket.destroy();
    leave();
  };

  return {
    get size() {
      return size;
    },
    take() {
      for (;;) {
        const connection = idle.pop();
        if (connection === undefined) break;
        if (!connection.isClosed && !connection.socket.destroyed) return connection;
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
    giveBack(connection) {
      if (connection.isClosed) return;
      if (isClosed || connection.isSpent || connection.socket.destroyed) return destroy(connection);
      const next = waiting.shift();
      if (next === undefined) {
        idle.push(connection);
        return;
      }
      clearTimeout(next.timer);
      next.resolve(connection);
    },
    close() {
      isClosed = true;
      for (const connection of idle.splice(0)) destroy(connection);
    },
  };
}
