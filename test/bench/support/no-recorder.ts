import type { SpoolingFlowRecorder } from '../../../src/flow/recorder.ts';

/** Takes records and drops them: whoever waits is told at the end of the turn, as by the real one. */
export function createFlowRecorder(): SpoolingFlowRecorder {
  let waiting: (() => void)[] = [];
  const nothing = (): void => undefined;
  const later = (callback: () => void): void => {
    if (waiting.push(callback) > 1) return;
    setImmediate(() => {
      const told = waiting;
      waiting = [];
      for (const each of told) each();
    });
  };
  return {
    request: nothing,
    tunnelOpened: nothing,
    tunnelTraffic: nothing,
    tunnelClosed: nothing,
    authentication: nothing,
    session: nothing,
    finding: nothing,
    heartbeat: nothing,
    whenWritten: later,
    whenSynced: later,
    healthy: () => true,
    hasRoomFor: () => true,
    written: () => 0,
    room: { isFull: false, bytes: 0, dropped: { requests: 0, tunnels: 0 } },
    close: nothing,
  };
}

export const heartbeatMs = 30_000;
