import { startStopwatch } from '../clock.ts';
import { fullJitter, reconnectLimits, refusedLimits, slowJitter } from './backoff.ts';
import { gatewaysOf } from './gateways.ts';
import { sleepUnlessHastened, stableSeconds } from './keeping.ts';
import type { Keeping } from './keeping.ts';

/** Sees to it that there is a session that new flows go on: one after the other, for ever. */
export async function keepCurrent(keeping: Keeping): Promise<void> {
  const { clock, identities, log, random, rotation, sessions, signal, state } = keeping;
  let attempt = 0;
  while (!signal.aborted) {
    let waitMs: number;
    const rotated = new AbortController();
    let deaf = (): void => {};
    try {
      // No gateway would have it. The control plane renews it, back from a holiday, or says why it does not.
      if (identities.current().isExpired()) await identities.renew(signal);
      // What is asked for from here on may come too late for this session, and makes another.
      deaf = rotation.on(() => {
        rotated.abort();
        sessions.changed.beat();
      });
      const session = await keeping.establish(attempt > 0, gatewaysOf);
      sessions.adopt(session);
      keeping.onSession();
      log.info({ gateway: session.address, zone: session.zone }, 'gateway session ready');
      state.set('connected');
      const lived = startStopwatch(clock);
      while (!signal.aborted && !rotated.signal.aborted && sessions.current() !== undefined)
        await sessions.changed.next();
      attempt = rotated.signal.aborted || lived() >= stableSeconds ? 0 : attempt + 1;
      waitMs = rotated.signal.aborted ? 0 : fullJitter(attempt, reconnectLimits, random);
      if (!rotated.signal.aborted && !signal.aborted) state.set('connecting');
    } catch (error) {
      if (signal.aborted) break;
      const found = state.note(error, 'no gateway session');
      // An older session may still carry flows while its successor cannot be made.
      if (sessions.current() === undefined) state.set(found.state, found);
      waitMs = found.slow
        ? slowJitter(attempt, refusedLimits, random)
        : fullJitter(attempt, reconnectLimits, random);
      // What was asked for while this failed is worth another try now.
      if (rotated.signal.aborted) waitMs = 0;
      attempt += 1;
    } finally {
      deaf();
    }
    await sleepUnlessHastened(keeping, waitMs);
  }
}
