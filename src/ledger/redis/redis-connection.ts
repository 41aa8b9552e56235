import { LedgerUnavailable } from '../ledger.ts';
import type { RedisAddress } from './redis-address.ts';
import { createRedisClient } from './redis-client.ts';
import type { RedisClient, RedisTimeouts } from './redis-client.ts';
import { ledgerError } from './redis-errors.ts';
import { watchSentinels } from './sentinel-watch.ts';

/** One connection to Redis, or one to each node of a cluster; connects when first used, and again by itself. */
export interface RedisConnection {
  /**
   * Does work on a connection that is up, in bounded time.
   * @throws LedgerUnavailable with a sentence for a server that is away or refuses; LedgerCorrupt for a wrong type.
   */
  call<Value>(work: (client: RedisClient) => Promise<Value>): Promise<Value>;
  /** Counts the connections made so far: what was said on an earlier one, this one knows nothing of. */
  readonly generation: number;
  /** Ends it at once, with whatever waits on it. */
  close(): void;
}

export const usualTimeouts: RedisTimeouts = { connectMs: 3000, silenceMs: 3000 };

export function openRedisConnection(
  address: RedisAddress,
  timeouts: RedisTimeouts = usualTimeouts,
): RedisConnection {
  const client = createRedisClient(address, timeouts);
  let lastError: Error | undefined;
  let generation = 0;
  let isClosed = false;
  for (const event of ['error', 'node error', 'sentinelError'])
    client.on(event, (error: Error) => {
      // What each sentinel said was told one by one before.
      if (!error.message.startsWith('All sentinels are unreachable')) lastError = error;
    });
  let watch: { close(): void } | undefined;
  client.on('ready', () => {
    generation += 1;
    lastError = undefined;
    if (!isClosed) watch ??= watchSentinels(address, timeouts, () => client.disconnect(true));
  });

  let becomingReady: Promise<void> | undefined;
  const becomeReady = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const settle = (problem?: string): void => {
        clearTimeout(timer);
        client.off('ready', onReady);
        client.off('end', onEnd);
        becomingReady = undefined;
        if (problem === undefined) resolve();
        else reject(new Error(problem));
      };
      const onReady = (): void => settle();
      const onEnd = (): void => settle('the connection ended');
      const timer = setTimeout(
        () => settle(`no connection within ${timeouts.connectMs} ms`),
        timeouts.connectMs,
      );
      client.on('ready', onReady);
      client.on('end', onEnd);
      // What goes wrong comes as an event, and it tries again by itself.
      if (client.status === 'wait' || client.status === 'end') client.connect().catch(() => undefined);
    });
  const ready = async (): Promise<void> => {
    if (isClosed) throw new LedgerUnavailable(`${address.name}: the connection is closed`);
    if (client.status === 'ready') return;
    becomingReady ??= becomeReady();
    await becomingReady;
  };

  return {
    get generation() {
      return generation;
    },
    async call(work) {
      try {
        await ready();
        return await bounded(work(client), timeouts.connectMs + timeouts.silenceMs);
      } catch (error) {
        throw ledgerError(error, address.name, lastError);
      }
    },
    close() {
      isClosed = true;
      watch?.close();
      client.disconnect();
    },
  };
}

/** For an answer that the client itself would wait for longer, such as behind a cluster that finds no master. */
function bounded<Value>(answer: Promise<Value>, milliseconds: number): Promise<Value> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer within ${milliseconds} ms`)), milliseconds);
    answer.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
