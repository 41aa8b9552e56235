import type { Clock } from '../clock.ts';
import type { GatewaySession } from './gateway-session.ts';
import { createPulse } from './pulse.ts';
import type { Pulse } from './pulse.ts';

/**
 * The sessions of a laptop. New flows go on the *current* one; on its *lanes*, further sessions to the same gateway,
 * where it is full or a long transfer fills it; and on the *standby* of another zone once there is no other. Those that
 * had their day live until their last flow ended.
 */
export interface SessionSet {
  current(): GatewaySession | undefined;
  standby(): GatewaySession | undefined;
  lanes(): readonly GatewaySession[];
  all(): readonly GatewaySession[];
  /** Makes it the current one; the one before and its lanes take no more flows. */
  adopt(session: GatewaySession): void;
  /** Makes it the standby; the one before goes. */
  hold(session: GatewaySession): void;
  addLane(session: GatewaySession): void;
  /** Makes a lane or the standby the current one; the one before becomes the standby where it led to another gateway. */
  prefer(session: GatewaySession): void;
  /** The session for a new flow, waited for where there is none or none has room. */
  forFlow(clock: Clock, limitMs: number, signal?: AbortSignal): Promise<GatewaySession | undefined>;
  /** Beats when a session came, went or changed its place. */
  readonly changed: Pulse;
  /** Whether no session to the current gateway has room and is free of long transfers. */
  isCrowded(): boolean;
  /** Beats when that may have come to be so. */
  readonly crowding: Pulse;
  endAll(): void;
}

export function createSessionSet(onEnd: (session: GatewaySession) => void): SessionSet {
  const sessions = new Set<GatewaySession>();
  const lanes = new Set<GatewaySession>();
  let current: GatewaySession | undefined;
  let standby: GatewaySession | undefined;
  const changed = createPulse();
  const crowding = createPulse();
  const isUsable = (session: GatewaySession | undefined): session is GatewaySession =>
    session?.isUsable() === true;

  /** Where the current one is gone, the next best takes its place. */
  const usable = (): GatewaySession | undefined => {
    if (isUsable(current)) return current;
    const lane = [...lanes].find(isUsable);
    const next = lane ?? (isUsable(standby) ? standby : undefined);
    if (next === undefined) return undefined;
    if (lane === undefined) {
      standby = undefined;
      lanes.clear();
    } else lanes.delete(lane);
    current = next;
    changed.beat();
    return next;
  };
  const add = (session: GatewaySession): void => {
    sessions.add(session);
    void session.leaving.then(() => {
      lanes.delete(session);
      if (standby === session) standby = undefined;
      if (current === session) usable();
      changed.beat();
    });
    void session.ended.then(() => {
      sessions.delete(session);
      onEnd(session);
      changed.beat();
    });
  };
  const drainAll = (drained: Iterable<GatewaySession | undefined>): void => {
    for (const session of [...drained]) session?.drain();
  };
  const withRoom = (): readonly GatewaySession[] => {
    const first = usable();
    return [...(first === undefined ? [] : [first]), ...lanes].filter(
      (session) => session.isUsable() && session.hasRoom(),
    );
  };
  const isFree = (session: GatewaySession): boolean => !session.isBusyWithBulk() && !session.isSilent();
  /** The first with room that no long transfer fills; failing that, one with room. */
  const pick = (): GatewaySession | undefined => {
    const found = withRoom();
    const free = found.find(isFree);
    if (free === undefined) crowding.beat();
    const chosen = free ?? found[0];
    chosen?.reserve();
    return chosen;
  };

  return {
    current: usable,
    standby: () => (isUsable(standby) ? standby : undefined),
    lanes: () => [...lanes].filter(isUsable),
    all: () => [...sessions],
    adopt: (session) => {
      const before = [current, ...lanes];
      add(session);
      lanes.clear();
      current = session;
      changed.beat();
      for (const each of before) if (each?.isSilent() === true) each.displace();
      drainAll(before);
    },
    hold: (session) => {
      const before = standby;
      add(session);
      standby = session;
      before?.drain();
      changed.beat();
    },
    addLane: (session) => {
      add(session);
      lanes.add(session);
      changed.beat();
    },
    prefer: (session) => {
      const before = current;
      if (before === session) return;
      current = session;
      if (lanes.delete(session)) before?.drain();
      else {
        const idle = [...lanes];
        lanes.clear();
        drainAll(idle);
        standby = before;
      }
      changed.beat();
    },
    forFlow: async (clock, limitMs, signal) => {
      const atOnce = pick();
      if (atOnce !== undefined || limitMs <= 0) return atOnce;
      const done = new AbortController();
      const ending = signal === undefined ? done.signal : AbortSignal.any([signal, done.signal]);
      const limit = clock.sleep(limitMs, ending).then(() => true);
      try {
        for (;;) {
          const isOver = await Promise.race([changed.next().then(() => false), limit]);
          const session = pick();
          if (session !== undefined || isOver) return session;
        }
      } finally {
        done.abort();
      }
    },
    changed,
    isCrowded: () => usable() !== undefined && !withRoom().some(isFree),
    crowding,
    endAll: () => {
      for (const session of sessions) session.end();
    },
  };
}
