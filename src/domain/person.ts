import type { ApiKey } from './control-state.ts';
import type { UserName } from './ids.ts';

/**
 * The person behind an actor, as the ledger names who did something: who signed in, or who made the API key, or the key
 * that made it, and so on back. Nobody for the first key of an installation and all that it made, for a key that a restore
 * or a recovery of the ledger put there, and for devices: who holds one of those is not known.
 */
export function personOf(apiKeys: ReadonlyMap<string, ApiKey>, actor: string): UserName | undefined {
  if (actor.startsWith('user:')) return actor.slice('user:'.length) as UserName;
  if (!actor.startsWith('api-key:')) return undefined;
  const name = actor.slice('api-key:'.length);
  const bearers = [...apiKeys.values()].filter((key) => key.name === name);
  const [first, ...others] = bearers.map(({ person }) => person);
  // The API gives no name twice; a ledger that has one twice does not say which of the two it was.
  return others.every((other) => other === first) ? first : undefined;
}
