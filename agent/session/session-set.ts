import type { Clock } from '../clock.ts';
import type { GatewaySession } from './gateway-session.ts';

/** The session that new flows go on, and the older ones that still carry some. */
export interface SessionSet {
  current(): GatewaySession | undefined;
  all(): readonly GatewaySession[];
  /** Makes it the one for new flows; the one before takes no more, and lives until its last flow ended. */
  adopt(session: GatewaySession): void;
  /** The current session, waited for where there is none. */
  wait(clock: Clock, limitMs: number, signal?: AbortSignal): Promise<GatewaySession | undefined>;
  endAll(): void;
}

export function createSessionSet(onEnd: (session: GatewaySession) => void): SessionSet {
  const sessions = new Set<GatewaySession>();
  let current: GatewaySession | undefined;
  let arrival = Promise.withResolvers<void>();
  const usable = (): GatewaySession | undefined => (current?.isUsable() === true ? current : undefined);

  return {
    current: usable,
    all: () => [...sessions],
    adopt: (session) => {
      const before = current;
      sessions.add(session);
      current = session;
      arrival.resolve();
      arrival = Promise.withResolvers();
      before?.drain();
      void session.ended.then(() => {
        sessions.delete(session);
        onEnd(session);
      });
    },
    wait: async (clock, limitMs, signal) => {
      const done = new AbortController();
      const ending = signal === undefined ? done.signal : AbortSignal.any([signal, done.signal]);
      const limit = clock.sleep(limitMs, ending).then(() => true);
      try {
        for (;;) {
          const isOver =
            usable() !== undefined || (await Promise.race([arrival.promise.then(() => false), limit]));
          if (isOver) return usable();
        }
      } finally {
        done.abort();
      }
    },
    endAll: () => {
      for (const session of sessions) session.end();
    },
  };
}
