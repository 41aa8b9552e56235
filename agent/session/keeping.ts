import type { Logger } from 'pino';
import type { AgentConfig } from '../../src/contract/control-api.ts';
import type { Clock } from '../clock.ts';
import type { Random } from './backoff.ts';
import type { ConfigKeeper } from './config-keeper.ts';
import type { GatewaySession } from './gateway-session.ts';
import type { Gateway } from './gateways.ts';
import type { Identities } from './identities.ts';
import type { Pulse } from './pulse.ts';
import type { SessionSet } from './session-set.ts';
import type { StateKeeper } from './state-keeper.ts';

/** What the loops that keep sessions work with. */
export interface Keeping {
  readonly sessions: SessionSet;
  readonly state: StateKeeper;
  readonly identities: Identities;
  readonly config: ConfigKeeper;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Beats when a new session shall take over; the one before carries on until it is there. */
  readonly rotation: Pulse;
  /** Beats when what was in the way may be gone: whoever waits to try again tries now. */
  readonly haste: Pulse;
  establish(lookAgain: boolean, choose: (config: AgentConfig) => readonly Gateway[]): Promise<GatewaySession>;
  /** A session came: what it needs to be kept alive may be due. */
  onSession(): void;
}

/** A session that lived this long was a good one: the next loss starts again with a short wait. */
export const stableSeconds = 10;

/** Sleeps, but not through a reason to try at once. */
export async function sleepUnlessHastened(keeping: Keeping, ms: number): Promise<void> {
  if (ms <= 0 || keeping.signal.aborted) return;
  const hastened = new AbortController();
  const deaf = [keeping.rotation, keeping.haste].map((pulse) => pulse.on(() => hastened.abort()));
  const stop = (): void => hastened.abort();
  keeping.signal.addEventListener('abort', stop, { once: true });
  await keeping.clock.sleep(ms, hastened.signal);
  keeping.signal.removeEventListener('abort', stop);
  for (const end of deaf) end();
}
