import type { Socket } from 'node:net';
import { startStopwatch } from '../clock.ts';
import type { Clock } from '../clock.ts';
import { formatHostPort } from '../session/host-port.ts';
import type { HostPort } from '../session/host-port.ts';

/** A tunnel that carried so much in one direction would have been worth a line of its own, which costs a handshake. */
const bulkBytes = 16 * 1024 * 1024;
/** Seconds for which it is remembered of an application. */
const memorySeconds = 600;

/** Which applications are used for long transfers. Nothing else tells: the bytes of a tunnel are its application's own. */
export interface BulkTargets {
  has(target: HostPort): boolean;
  forget(target: HostPort): void;
  /** Learns from a tunnel that was just joined to a program. */
  watch(target: HostPort, program: Socket): Watched;
}

export interface Watched {
  /** To be called now and then: whether it has carried much by now. */
  readonly isBulk: () => boolean;
}

export function createBulkTargets(clock: Clock): BulkTargets {
  const seen = new Map<string, () => number>();
  return {
    has: (target) => {
      const key = formatHostPort(target);
      const since = seen.get(key);
      if (since === undefined) return false;
      if (since() < memorySeconds) return true;
      seen.delete(key);
      return false;
    },
    forget: (target) => void seen.delete(formatHostPort(target)),
    watch: (target, program) => {
      const key = formatHostPort(target);
      let isKnown = false;
      const isBulk = (): boolean => {
        if (isKnown || Math.max(program.bytesRead, program.bytesWritten) < bulkBytes) return isKnown;
        isKnown = true;
        seen.set(key, startStopwatch(clock));
        return true;
      };
      // What is long at one time and short at another shall not cost a handshake each time.
      program.once('close', () => isBulk() || seen.delete(key));
      return { isBulk };
    },
  };
}
