import { setTimeout as pause } from 'node:timers/promises';
import { startRedis } from './redis.ts';
import type { RedisServer } from './redis.ts';

/** A master, a replica and three sentinels that watch them, all on loopback. */
export interface SentinelLab {
  readonly master: RedisServer;
  readonly replica: RedisServer;
  readonly sentinels: readonly RedisServer[];
  readonly password: string;
  /** The replica cannot get any more what the master takes, as behind a broken line; it stays up. */
  cutReplication(): Promise<void>;
  /** Port of the server that the sentinels call master. */
  masterPort(): number;
  stop(): Promise<void>;
}

const name = 'postern';

export async function startSentinelLab(): Promise<SentinelLab> {
  const password = 'of-the-lab';
  const cliArgs = ['-a', password, '--no-auth-warning'];
  const servers: RedisServer[] = [];
  const start = async (settings: readonly string[], sentinel = false): Promise<RedisServer> => {
    const server = await startRedis({ settings, ...(sentinel ? { sentinel } : { cliArgs }) });
    servers.push(server);
    return server;
  };
  const stop = async (): Promise<void> => {
    for (const server of servers.reverse()) await server.stop();
  };
  try {
    const access = [`requirepass ${password}`, `masterauth ${password}`];
    const master = await start([...access, 'repl-diskless-sync-delay 0']);
    const replica = await start([...access, `replicaof 127.0.0.1 ${master.port}`]);
    while (!master.cli('info', 'replication').includes('state=online')) await pause(50);
    const watch = [
      `sentinel monitor ${name} 127.0.0.1 ${master.port} 2`,
      `sentinel auth-pass ${name} ${password}`,
      `sentinel down-after-milliseconds ${name} 1000`,
      `sentinel failover-timeout ${name} 5000`,
    ];
    const sentinels: RedisServer[] = [];
    for (let i = 0; i < 3; i += 1) sentinels.push(await start(watch, true));
    for (const sentinel of sentinels) {
      while (!sentinel.cli('sentinel', 'ckquorum', name).startsWith('OK 3 ')) await pause(100);
      while (!sentinel.cli('sentinel', 'replicas', name).includes(String(replica.port))) await pause(100);
    }
    return {
      master,
      replica,
      sentinels,
      password,
      async cutReplication() {
        replica.cli('config', 'set', 'masterauth', 'wrong');
        master.cli('client', 'kill', 'type', 'replica');
        while (!master.cli('info', 'replication').includes('connected_slaves:0')) await pause(20);
      },
      masterPort: () => Number(sentinels[0]?.cli('sentinel', 'get-master-addr-by-name', name).split('\n')[1]),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
