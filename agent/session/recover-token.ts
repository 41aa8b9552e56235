import type { GatewaySession } from './gateway-session.ts';
import type { TokenKeeper } from './token-keeper.ts';

/** `fine`: the refusal was not about the token. `mended`: a new token was accepted, so asking again may help. */
export type Recovery = 'fine' | 'mended' | 'not-mended';

const running = new WeakMap<GatewaySession, Promise<Recovery>>();

/**
 * After a 401 on a session: the gateway itself says whether the token ended (a laptop that slept), and only then a new
 * one is fetched. An application's own 401 so costs one probe and no token. Once at a time a session.
 */
export function recoverToken(
  session: GatewaySession,
  tokens: TokenKeeper | undefined,
  signal: AbortSignal,
  onFailure: (error: unknown) => void,
): Promise<Recovery> {
  const known = running.get(session);
  if (known !== undefined) return known;
  const recovery = recover(session, tokens, signal)
    .catch((error: unknown): Recovery => {
      onFailure(error);
      return 'not-mended';
    })
    .finally(() => running.delete(session));
  running.set(session, recovery);
  return recovery;
}

async function recover(
  session: GatewaySession,
  tokens: TokenKeeper | undefined,
  signal: AbortSignal,
): Promise<Recovery> {
  const before = await session.probe();
  if (before.ok) return 'fine';
  if (before.problem.status !== 401 || tokens === undefined) return 'not-mended';
  const after = await session.probe((await tokens.fetch(signal)).value);
  return after.ok ? 'mended' : 'not-mended';
}
