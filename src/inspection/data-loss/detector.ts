/** Something that was found in a text: where, and as which value, however it was written. */
export interface Match {
  readonly start: number;
  readonly end: number;
  /** What it is, by which the same is known again. Never leaves memory. */
  readonly value: string;
}

/**
 * Looks for one kind of data. Whether something is found at a place depends on no more than `before` characters before it
 * and `reach` characters from there on, so that a text can be looked at in pieces.
 */
export interface Detector {
  readonly name: string;
  /** What it finds is that and nothing else: no other that claims what it finds counts it, too. The first claims it. */
  readonly claims: boolean;
  /** Of a match, with what has to be seen behind it to know that it ends. */
  readonly reach: number;
  /** The first that begins at `from` or behind it; undefined where there is none before `to`. */
  find(text: string, from: number, to: number): Match | undefined;
}

/** So many characters before a place may decide whether something begins there. */
export const before = 4;

/** A detector of what one pattern finds and one check confirms. @param pattern with the flag g */
export const patternDetector = (
  name: string,
  reach: number,
  pattern: RegExp,
  check: (written: string) => string | undefined,
): Detector => ({
  name,
  claims: true,
  reach,
  find(text, from, to) {
    pattern.lastIndex = from;
    for (let found = pattern.exec(text); found !== null && found.index < to; found = pattern.exec(text)) {
      const value = check(found[0]);
      if (value !== undefined) return { start: found.index, end: found.index + found[0].length, value };
      // Another may begin within what was none.
      pattern.lastIndex = found.index + 1;
    }
    return undefined;
  },
});
