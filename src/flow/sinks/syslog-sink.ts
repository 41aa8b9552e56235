import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import type { SyslogSinkSettings } from '../../contract/sinks.ts';
import type { ResolvedTls } from './resolved-sink.ts';
import { formatSyslog, frameSyslog } from '../formats/syslog-message.ts';
import type { Sink } from './sink.ts';
import { tlsOptions } from './tls-options.ts';

export interface SyslogTimes {
  readonly connectMs: number;
  /** A receiver that takes no more bytes for so long is given up. */
  readonly writeMs: number;
  /** How long it may take to confirm the end of a connection. */
  readonly endMs: number;
}

const usualTimes: SyslogTimes = { connectMs: 10_000, writeMs: 30_000, endMs: 2000 };
/** What was not sent for long is often cut in between without a word. */
const keepAliveMs = 15_000;

/** `PRIVATE ENTERPRISE NUMBER` of examples (RFC 5612). */
const exampleEnterprise = 32_473;

interface Unconfirmed {
  readonly confirm: () => void;
  readonly lose: (error: Error) => void;
}

/**
 * Messages of RFC 5424 over TCP (RFC 6587, octet counting) or TLS (RFC 5425). Neither acknowledges anything, and what a
 * receiver's kernel took may be lost with the connection. So a batch counts as delivered only when the connection has
 * lasted for `resendSeconds` after it was written, or was ended in order; when it breaks, all younger ones are sent again.
 */
export function createSyslogSink(
  settings: SyslogSinkSettings,
  tls: ResolvedTls | undefined,
  times: SyslogTimes = usualTimes,
): Sink {
  const { host, port, facility, enterpriseNumber = exampleEnterprise, resendSeconds } = settings;
  const identity = { facility, enterpriseNumber };
  const unconfirmed = new Set<Unconfirmed>();
  let current: Socket | undefined;

  async function open(): Promise<Socket> {
    const socket =
      tls === undefined ? connect({ host, port }) : connectTls({ host, port, ...tlsOptions(host, tls) });
    try {
      const signal = AbortSignal.timeout(times.connectMs);
      await once(socket, tls === undefined ? 'connect' : 'secureConnect', { signal });
    } catch (error) {
      socket.destroy();
      const { name, message } = error as Error;
      throw new Error(`${host}:${port} cannot be reached: ${name === 'AbortError' ? 'no answer' : message}`, {
        cause: error,
      });
    }
    let cause = 'the receiver ended the connection';
    socket.setKeepAlive(true, keepAliveMs);
    // A receiver says nothing; what it does say must not fill the memory.
    socket.resume();
    socket.on('error', (error) => (cause = error.message));
    socket.on('end', () => socket.destroy());
    socket.once('close', () => {
      if (current === socket) current = undefined;
      const error = new Error(`${host}:${port}: ${cause}`);
      for (const { lose } of unconfirmed) lose(error);
      unconfirmed.clear();
    });
    current = socket;
    return socket;
  }

  /** Resolves when the kernel has taken all of it. */
  async function write(socket: Socket, bytes: Buffer): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const give = (reason: string): void => {
      socket.destroy();
      reject(new Error(`${host}:${port}: ${reason}`));
    };
    const timer = setTimeout(() => give(`takes nothing for ${times.writeMs / 1000} s`), times.writeMs);
    const closed = (): void => give('the connection broke');
    socket.once('close', closed);
    socket.write(bytes, (error) => (error ? give(error.message) : resolve()));
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      socket.off('close', closed);
    }
  }

  function confirmLater(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => entry.confirm(), resendSeconds * 1000);
    const entry: Unconfirmed = {
      confirm: () => {
        unconfirmed.delete(entry);
        clearTimeout(timer);
        resolve();
      },
      lose: (error) => {
        clearTimeout(timer);
        reject(error);
      },
    };
    unconfirmed.add(entry);
    return promise;
  }

  return {
    maxUnacknowledged: 4096,
    async send(batch) {
      const socket = current ?? (await open());
      const messages = batch.map(({ record, text }) => frameSyslog(formatSyslog(record, text, identity)));
      await write(socket, Buffer.concat(messages));
      return { acknowledged: confirmLater() };
    },
    async close() {
      const socket = current;
      if (socket === undefined) return;
      // A receiver that ends its side after ours has read all that came before. Not by a promise: `close` comes sooner.
      socket.once('end', () => {
        for (const { confirm } of [...unconfirmed]) confirm();
      });
      const closed = once(socket, 'close');
      socket.end();
      await Promise.race([closed, pause(times.endMs, undefined, { ref: false })]);
      socket.destroy();
    },
  };
}
