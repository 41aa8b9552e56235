import type { Keeping } from './keeping.ts';
import type { GatewaySession } from './gateway-session.ts';
import { isStranded } from './network-watch.ts';
import { fullJitter, reconnectLimits } from './backoff.ts';

/** How long another session may take to show that it is better than one that says nothing. */
const answerMs = 1000;
/** After a sleep or another network, most sessions are dead; one that lives answers in this time. */
const suddenLimitMs = 2000;

export interface PathRecovery {
  /** Flows wait on a session, and nothing comes. */
  readonly onSilence: (session: GatewaySession) => void;
  /** The laptop woke up, or its network or its clock is another. */
  onUpheaval(addresses: ReadonlySet<string>): void;
  /** Takes the nearer of current and standby for new flows. */
  preferNearer(): void;
}

/** A standby must be this much nearer, so many times in a row, for flows to move. */
const nearer = { factor: 2, marginMs: 5, rounds: 3 } as const;

/**
 * What happens when a path goes bad under a session that is open. A gateway that stalls for a moment, under a thousand
 * laptops at once, must not lose all their flows for it: another session that proves to work gets the new flows and what
 * may be repeated, and the silent one keeps the rest until the longer limit of a PING says that it is dead.
 */
export function createPathRecovery(
  keeping: Pick<Keeping, 'sessions' | 'clock' | 'random' | 'rotation' | 'haste' | 'log'> & {
    readonly pingTimeoutMs: number;
    signal(): AbortSignal;
  },
): PathRecovery {
  const { clock, log, random, rotation, sessions } = keeping;
  let nearerRounds = 0;

  const firstThatAnswers = async (others: readonly GatewaySession[]): Promise<GatewaySession | undefined> => {
    const asked = others.map(async (other) => {
      if (await other.answers(answerMs)) return other;
      throw new Error('silent too');
    });
    return await Promise.any(asked).catch(() => undefined);
  };
  const replace = async (silent: GatewaySession): Promise<void> => {
    const standby = sessions.standby();
    const others = [...sessions.lanes(), ...(standby === undefined ? [] : [standby])];
    const found = await firstThatAnswers(others.filter((other) => other !== silent && !other.isSilent()));
    const isStillNeeded = (): boolean =>
      sessions.current() === silent && silent.isSilent() && !keeping.signal().aborted;
    if (!isStillNeeded()) return;
    if (found?.isUsable() === true) {
      log.warn({ from: silent.address, to: found.address }, 'gateway silent, another session preferred');
      sessions.prefer(found);
      silent.displace();
      return;
    }
    // Not all of its laptops in one moment.
    await clock.sleep(fullJitter(0, reconnectLimits, random), keeping.signal());
    if (isStillNeeded()) rotation.beat();
  };

  return {
    onSilence: (session) => {
      void session.checkAlive(keeping.pingTimeoutMs);
      if (session === sessions.current()) void replace(session);
    },
    onUpheaval: (addresses) => {
      for (const session of sessions.all()) {
        if (isStranded(session.localAddress, addresses)) session.end();
        else void session.checkAlive(suddenLimitMs);
      }
      keeping.haste.beat();
    },
    preferNearer: () => {
      const [current, standby] = [sessions.current(), sessions.standby()];
      const [near, far] = [standby?.roundTripMs(), current?.roundTripMs()];
      const isNearer =
        near !== undefined && far !== undefined && near * nearer.factor + nearer.marginMs < far;
      nearerRounds = isNearer ? nearerRounds + 1 : 0;
      if (nearerRounds < nearer.rounds || standby === undefined) return;
      nearerRounds = 0;
      sessions.prefer(standby);
    },
  };
}
