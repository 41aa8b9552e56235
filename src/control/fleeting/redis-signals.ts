import { setTimeout as wait } from 'node:timers/promises';
import { LedgerCorrupt, LedgerUnavailable } from '../../ledger/ledger.ts';
import type { RedisConnection } from '../../ledger/redis/redis-connection.ts';
import { createMemorySignals } from './fleeting-signals.ts';
import type { FleetingSignals } from './fleeting-signals.ts';

/** More than can be sent while a listener reads what it has. */
const keptSignals = 1000;
const keptMs = 60_000;
const restMs = 1000;
/** A connection that waits answers nothing else, and says nothing for so long. */
export const signalBlockMs = 2000;

/**
 * By a short stream in Redis, which everybody reads from where it ends when they begin to listen. `openWaiting` opens a
 * connection of its own for a listener.
 */
export function createRedisSignals(
  connection: RedisConnection,
  openWaiting: () => RedisConnection,
  key: string,
): FleetingSignals {
  const local = createMemorySignals();
  return {
    async send(text) {
      try {
        await connection.call(async (client) => {
          await client.xadd(key, 'MAXLEN', '~', keptSignals, '*', 'text', text);
          await client.pexpire(key, keptMs);
        });
      } catch (error) {
        if (!isTrouble(error)) throw error;
        await local.send(text);
      }
    },
    listen(listener) {
      const ended = new AbortController();
      const deaf = local.listen(listener);
      void follow(openWaiting(), key, listener, ended.signal);
      return () => {
        deaf();
        ended.abort();
      };
    },
  };
}

async function follow(
  waiting: RedisConnection,
  key: string,
  listener: (text: string) => void,
  ended: AbortSignal,
): Promise<void> {
  const close = (): void => waiting.close();
  ended.addEventListener('abort', close, { once: true });
  while (!ended.aborted) {
    try {
      const [newest] = await waiting.call((client) => client.xrevrange(key, '+', '-', 'COUNT', 1));
      let last = newest?.[0] ?? '0-0';
      for (;;) {
        const found = await waiting.call((client) =>
          client.xread('BLOCK', signalBlockMs, 'STREAMS', key, last),
        );
        for (const [id, [, text]] of found?.[0]?.[1] ?? []) {
          last = id;
          if (text !== undefined && !ended.aborted) listener(text);
        }
      }
    } catch (error) {
      if (!isTrouble(error)) throw error;
      await wait(restMs, undefined, { signal: ended }).catch(() => undefined);
    }
  }
}

const isTrouble = (error: unknown): boolean =>
  error instanceof LedgerUnavailable || error instanceof LedgerCorrupt;
