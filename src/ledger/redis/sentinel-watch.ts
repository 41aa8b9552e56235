import { Redis } from 'ioredis';
import { hearLaterErrors } from './hear-later-errors.ts';
import type { RedisAddress } from './redis-address.ts';
import { retryDelay } from './redis-client.ts';
import type { RedisTimeouts } from './redis-client.ts';

const channel = '+switch-master';

/**
 * Listens at each of the sentinels, where there are any, for a new master, and again by itself: a zone that is gone closes
 * no connection, so that without it the old master would be waited for. The client library can do it too, but prints to
 * stderr when a sentinel is away. What is wrong with a sentinel is told where one is asked for the master, not here.
 */
export function watchSentinels(
  { topology, tls, sentinelUsername, sentinelPassword }: RedisAddress,
  { connectMs }: RedisTimeouts,
  onSwitch: () => void,
): { close(): void } {
  const { sentinels, master } = topology.kind === 'sentinel' ? topology : { sentinels: [], master: '' };
  const clients = sentinels.map((node) => {
    const client = new Redis({
      ...node,
      ...(sentinelUsername === undefined ? {} : { username: sentinelUsername }),
      ...(sentinelPassword === undefined ? {} : { password: sentinelPassword }),
      ...(tls === undefined ? {} : { tls: { ...tls, minVersion: 'TLSv1.2' } }),
      protocol: 2,
      disableClientInfo: true,
      enableReadyCheck: false,
      // To subscribe waits for its sentinel for as long as it takes.
      maxRetriesPerRequest: null,
      connectTimeout: connectMs,
      retryStrategy: retryDelay,
    });
    hearLaterErrors(client);
    // The name, then the old address and the new one.
    client.on('message', (_, text: string) => {
      if (text.split(' ', 1)[0] === master) onSwitch();
    });
    client.subscribe(channel).catch(() => undefined);
    return client;
  });
  return {
    close() {
      for (const client of clients) client.disconnect();
    },
  };
}
