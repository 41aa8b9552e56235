import type { Place } from '../record/envelope.ts';
import type { ShortRecords, Spool } from './spool.ts';
import { createUuidV7 } from '../record/uuid.ts';

/** Gives each record its place in the chain: number, id, time and the hash of the one before. */
export interface ChainWriter {
  /**
   * Formats a line for the next place and appends it: a whole record, or what some have beside their contexts. The bytes that
   * it takes, 0 when it was given up; the next one that is taken says how many records were. @throws what `format` throws,
   * after counting it as given up
   */
  write(format: (place: Place) => string, shorts?: ShortRecords): number;
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
    write(format, shorts) {
      const records = shorts?.contexts.length ?? 1;
      const loggedTime = Math.trunc(now());
      let bytes = 0;
      try {
        const place = {
          // Of one with a context it is made of its hash.
          uid: shorts === undefined ? createUuidV7(loggedTime) : '',
          sequence: sequence + 1,
          loggedTime,
          lost,
          previous: spool.head,
        };
        bytes = spool.append(format(place), shorts);
      } finally {
        if (bytes > 0) {
          sequence += records;
          lost = 0;
        } else lost += records;
      }
      return bytes;
    },
  };
}
