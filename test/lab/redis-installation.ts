import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { copyLedger } from '../../src/ledger/copy-ledger.ts';
import type { RedisAddress } from '../../src/ledger/redis/redis-address.ts';
import { openRedisLedger } from '../../src/ledger/redis/redis-ledger.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/sqlite-ledger.ts';
import { makeInstallation } from '../control/installation.ts';
import type { Installation } from '../control/installation.ts';
import { portAddress } from './redis-ledgers.ts';

/** An installation that was moved to Redis, as docs/redis.md says. */
export interface RedisInstallation extends Installation {
  readonly address: RedisAddress;
  /** The settings of one more server, with its own copy of the keys and certificates and nothing else. */
  anotherServer(): Promise<{ readonly configFile: string; readonly data: string }>;
}

export async function moveToRedis(port: number): Promise<RedisInstallation> {
  const made = await makeInstallation();
  const address = portAddress(port);
  const [source, target] = [openSqliteLedger(join(made.data, 'ledger.db')), openRedisLedger(address)];
  await copyLedger(source, target);
  for (const ledger of [source, target]) await ledger.close();
  const text = await readFile(made.configFile, 'utf8');
  const section = `redis: { url: "redis://127.0.0.1:${port}", prefix: ${address.prefix} }`;
  await writeFile(made.configFile, text.replace('embedded: true', section));
  const directories: string[] = [];
  return {
    ...made,
    address,
    async anotherServer() {
      const data = await mkdtemp(join(tmpdir(), 'postern-server-'));
      directories.push(data);
      for (const name of ['FORMAT', 'certs', 'keys', 'postern.yaml'])
        await cp(join(made.data, name), join(data, name), { recursive: true });
      await mkdir(join(data, 'flows'), { mode: 0o700 });
      return { configFile: join(data, 'postern.yaml'), data };
    },
    async remove() {
      for (const directory of directories) await rm(directory, { recursive: true, force: true });
      await made.remove();
    },
  };
}
