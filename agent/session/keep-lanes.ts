import { describeError } from '../agent-error.ts';
import { fullJitter, reconnectLimits } from './backoff.ts';
import { sleepUnlessHastened } from './keeping.ts';
import type { Keeping } from './keeping.ts';

/** With the 256 streams that a gateway takes on one, more than the local proxy takes connections. */
const mostLanes = 8;
/** Milliseconds for which a lane without flows is kept. */
const idleLaneMs = 60_000;

/**
 * Opens further sessions to the current gateway: where the streams that it takes on one are all in use, and where a long
 * transfer fills one, so that what a person waits for does not queue behind it.
 */
export async function keepLanes(keeping: Keeping): Promise<void> {
  const { log, random, sessions, signal } = keeping;
  let attempt = 0;
  while (!signal.aborted) {
    const current = sessions.current();
    if (current === undefined || !sessions.isCrowded() || sessions.lanes().length >= mostLanes) {
      await sessions.crowding.next();
      continue;
    }
    try {
      const { name, zone, address } = current;
      const session = await keeping.establish(false, () => [
        { name, addresses: [address], ...(zone === undefined ? {} : { zone }) },
      ]);
      // Elsewhere meanwhile, and nothing there is in want of it.
      if (sessions.current()?.address === address) sessions.addLane(session);
      else session.end();
      attempt = 0;
    } catch (error) {
      if (signal.aborted) break;
      log.info({ reason: describeError(error) }, 'no further session to the gateway');
      await sleepUnlessHastened(keeping, fullJitter(attempt, reconnectLimits, random));
      attempt += 1;
    }
  }
}

/** Lanes that nobody has been on for a while go. */
export function dropIdleLanes({ clock, sessions }: Pick<Keeping, 'clock' | 'sessions'>): void {
  if (sessions.isCrowded() || sessions.current()?.isBusyWithBulk() === true) return;
  for (const lane of sessions.lanes()) {
    if (lane.openStreams() === 0 && clock.now() - lane.since >= idleLaneMs) lane.drain();
  }
}
