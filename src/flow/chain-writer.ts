import type { Place } from './envelope.ts';
import type { Spool, SpoolContext } from './spool.ts';
import { createUuidV7 } from './uuid.ts';

/** Gives each record its place in the chain: number, id, time and the hash of the one before. */
export interface ChainWriter {
  /**
   * Formats a record for the next place and appends it: a whole one, or what it has beside its context. The bytes that it takes, 0 when it was given up; the next one that
   * is taken says how many were. @throws what `format` throws, after counting it as given up
   */
  write(format: (place: Place) => string, context?: SpoolContext): number;
  /** Counts one that nobody even tried to write. */
  giveUp(): void;
  readonly sequence: number;
}

export function createChainWriter(spool: Spool, now: () => number): ChainWriter {
  let sequence = 0;
  let lost = 0;
  return {
    get sequence() {
      return sequence;
    },
    giveUp() {
      lost += 1;
    },
    write(format, context) {
      const loggedTime = Math.trunc(now());
      let bytes = 0;
      try {
        const place = {
          // Of one with a context it is made of its hash.
          uid: context === undefined ? createUuidV7(loggedTime) : '',
          sequence: sequence + 1,
          loggedTime,
          lost,
          previous: spool.head,
        };
        bytes = spool.append(format(place), context);
      } finally {
        if (bytes > 0) {
          sequence += 1;
          lost = 0;
        } else lost += 1;
      }
      return bytes;
    },
  };
}
