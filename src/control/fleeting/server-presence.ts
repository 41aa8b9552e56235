import { Type } from 'typebox';
import type { Static } from 'typebox';
import { Compile } from 'typebox/compile';
import type { RedisConnection } from '../../ledger/redis/redis-connection.ts';
import { presenceScript, runScript } from '../../ledger/redis/scripts.ts';

/** What a server says of itself to those that share its ledger in Redis. */
const ServerNote = Type.Object({
  /** Tells it from the others, also after it was started again. */
  id: Type.String({ maxLength: 4500 }),
  /** For people. */
  name: Type.String({ maxLength: 255 }),
  gateway: Type.String({ maxLength: 253 }),
  role: Type.Enum(['all', 'gateway', 'control']),
  version: Type.String({ maxLength: 40 }),
  /** Its clock as it said so, epoch milliseconds. */
  clockMs: Type.Number(),
});
export type ServerNote = Static<typeof ServerNote>;

const PresentServer = Type.Object({
  ...ServerNote.properties,
  /** The clock of Redis as it heard of it, epoch milliseconds. */
  seenMs: Type.Number(),
});
export type PresentServer = Static<typeof PresentServer>;

const lifetimeMs = 60_000;
const validator = Compile(PresentServer);
const keyOf = (prefix: string): string => `{${prefix}}:servers`;

/** @throws LedgerUnavailable, LedgerCorrupt */
export async function announceServer(
  connection: RedisConnection,
  prefix: string,
  server: ServerNote,
): Promise<void> {
  const args = [server.id, JSON.stringify(server), lifetimeMs];
  await connection.call((client) => runScript(client, presenceScript, keyOf(prefix), args));
}

/**
 * The servers that were there within the last minute, by name; those of later versions that say other things are left
 * out. @throws LedgerUnavailable, LedgerCorrupt
 */
export async function readServers(
  connection: RedisConnection,
  prefix: string,
): Promise<readonly PresentServer[]> {
  const text = await connection.call((client) => client.get(keyOf(prefix)));
  if (text === null) return [];
  const servers = Object.values(JSON.parse(text) as Record<string, unknown>);
  return servers
    .filter((server): server is PresentServer => validator.Check(server))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
