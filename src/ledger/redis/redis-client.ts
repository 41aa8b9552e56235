import { Cluster, Redis } from 'ioredis';
import type { RedisOptions } from 'ioredis';
import { hearLaterErrors } from './hear-later-errors.ts';
import type { RedisAddress } from './redis-address.ts';

export type RedisClient = Redis | Cluster;

/** Bounds on waiting, in milliseconds: nothing that is asked of Redis waits for ever. */
export interface RedisTimeouts {
  readonly connectMs: number;
  /** Without any byte from the server while it owes an answer, the connection is given up. */
  readonly silenceMs: number;
}

/** Soon, then once a second, not all at the same moment. */
export const retryDelay = (attempt: number): number =>
  Math.min(25 * 2 ** attempt, 1000) * (0.75 + Math.random() / 4);

/**
 * A client that connects when it is told to, and again by itself. It queues nothing for a server that is away and sends
 * nothing twice: an append that is sent again would meet its own entries and call them another's.
 */
export function createRedisClient(address: RedisAddress, timeouts: RedisTimeouts): RedisClient {
  const client = makeClient(address, timeouts);
  if (client instanceof Redis) hearLaterErrors(client);
  else client.on('+node', hearLaterErrors);
  return client;
}

function makeClient(address: RedisAddress, timeouts: RedisTimeouts): RedisClient {
  const { topology, tls, username, password, sentinelUsername, sentinelPassword } = address;
  const tlsOptions = tls === undefined ? undefined : { ...tls, minVersion: 'TLSv1.2' as const };
  const common = {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tlsOptions === undefined ? {} : { tls: tlsOptions }),
    protocol: 2 as const,
    disableClientInfo: true,
    // The answers themselves say LOADING; the check would ask for INFO, and wait without a word.
    enableReadyCheck: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: timeouts.connectMs,
    socketTimeout: timeouts.silenceMs,
    // A master that became a replica: ask again who is master.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
    lazyConnect: true,
  } satisfies RedisOptions;
  const single = { ...common, retryStrategy: retryDelay, enableOfflineQueue: false } satisfies RedisOptions;
  switch (topology.kind) {
    case 'single':
      return new Redis({ ...single, ...topology.node, db: topology.database });
    case 'sentinel':
      return new Redis({
        ...single,
        sentinels: topology.sentinels.map((node) => ({ ...node })),
        name: topology.master,
        // Those of the settings, by the names that their certificates are for: sentinels tell of each other by number.
        updateSentinels: false,
        ...(sentinelUsername === undefined ? {} : { sentinelUsername }),
        ...(sentinelPassword === undefined ? {} : { sentinelPassword }),
        ...(tlsOptions === undefined ? {} : { sentinelTLS: tlsOptions, enableTLSForSentinelMode: true }),
        sentinelRetryStrategy: retryDelay,
      });
    case 'cluster':
      return new Cluster(
        topology.nodes.map((node) => ({ ...node })),
        {
          redisOptions: common,
          // Its nodes are connected to when they are first needed: what waits for that is bounded by the caller.
          enableOfflineQueue: true,
          enableReadyCheck: false,
          lazyConnect: true,
          retryDelayOnFailover: 0,
          retryDelayOnClusterDown: 0,
          retryDelayOnTryAgain: 0,
          maxRedirections: 4,
          slotsRefreshInterval: 2000,
          clusterRetryStrategy: retryDelay,
          // Names stay names: the certificate of a node is for its name.
          dnsLookup: (name, found) => found(null, name),
        },
      );
  }
}
