/** From and to, both included. */
export interface SequenceRange {
  readonly from: number;
  readonly to: number;
}

/**
 * Which sequence numbers were seen, as ranges: one for a whole chain, however long. Numbers mostly come in order, so the
 * last range is looked at first.
 */
export interface SequenceRanges {
  /** False when the number was there already. */
  add(sequence: number): boolean;
  has(sequence: number): boolean;
  /** Numbers from 1 to `last` that were never added. */
  missingUpTo(last: number): readonly SequenceRange[];
  readonly greatest: number;
}

/** `upTo`: those from 1 to there count as seen. */
export function createSequenceRanges(upTo = 0): SequenceRanges {
  /** Sorted, apart from each other by at least one number. */
  const ranges: { from: number; to: number }[] = upTo > 0 ? [{ from: 1, to: upTo }] : [];

  /** Index of the last range that begins at or before the number; -1 when there is none. */
  function findBefore(sequence: number): number {
    let index = ranges.length - 1;
    while (index >= 0 && (ranges[index]?.from ?? 0) > sequence) index -= 1;
    return index;
  }
  const has = (sequence: number): boolean => (ranges[findBefore(sequence)]?.to ?? 0) >= sequence;

  return {
    has,
    add(sequence) {
      if (has(sequence)) return false;
      const index = findBefore(sequence);
      const before = ranges[index];
      const after = ranges[index + 1];
      const joinsBefore = before !== undefined && before.to === sequence - 1;
      const joinsAfter = after !== undefined && after.from === sequence + 1;
      if (joinsBefore && joinsAfter) {
        before.to = after.to;
        ranges.splice(index + 1, 1);
      } else if (joinsBefore) before.to = sequence;
      else if (joinsAfter) after.from = sequence;
      else ranges.splice(index + 1, 0, { from: sequence, to: sequence });
      return true;
    },
    missingUpTo(last) {
      const missing: SequenceRange[] = [];
      let next = 1;
      for (const { from, to } of ranges) {
        if (from > next) missing.push({ from: next, to: from - 1 });
        next = to + 1;
      }
      if (next <= last) missing.push({ from: next, to: last });
      return missing;
    },
    get greatest() {
      return ranges.at(-1)?.to ?? 0;
    },
  };
}
