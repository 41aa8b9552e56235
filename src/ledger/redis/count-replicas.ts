import type { RedisConnection } from './redis-connection.ts';

/**
 * How many replicas have what was written on the connection of that generation; none where another took its place meanwhile,
 * which would answer for nothing that was written on the old one. @throws LedgerUnavailable
 */
export async function countReplicas(
  connection: RedisConnection,
  generation: number,
  wanted: number,
  withinMs: number,
): Promise<number> {
  const replicas = await connection.call((client) => client.wait(wanted, withinMs));
  return connection.generation === generation ? replicas : 0;
}
