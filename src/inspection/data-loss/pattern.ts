import { RE2JS } from 're2js';
import type { Detector, Match } from './detector.ts';

export interface NamedPattern {
  readonly name: string;
  /** In RE2's syntax. */
  readonly pattern: string;
  /** Of what it may find. */
  readonly maxLength: number;
}

/** Finds what a pattern of somebody's own finds, in time that grows with the text alone. @throws where it does not compile */
export function createPatternDetector({ name, pattern, maxLength }: NamedPattern): Detector {
  const compiled = RE2JS.compile(pattern);
  /** Goes on where it was: to begin anew costs as much as the text is long. */
  let matcher = compiled.matcher('');
  let known = '';
  let lastFrom = 0;
  let next: Match | undefined;
  const read = (isFound: boolean, from: number): Match | undefined => {
    for (let found = isFound; found; found = matcher.find()) {
      const start = matcher.start();
      const end = matcher.end();
      // What is longer might be cut off by where a piece ends.
      if (start >= from && end > start && end - start <= maxLength)
        return { start, end, value: known.slice(start, end) };
    }
    return undefined;
  };
  return {
    name,
    claims: false,
    reach: maxLength + 1,
    find(text, from, to) {
      if (text !== known || from < lastFrom) {
        known = text;
        matcher = compiled.matcher(text);
        // Whether there is any is told by an automaton, several times faster than where it is.
        const isThere = compiled.test(text.slice(Math.max(0, from - 1)));
        next = read(isThere && matcher.find(from), from);
      } else if (next !== undefined && next.start < from) next = read(matcher.find(), from);
      lastFrom = from;
      return next !== undefined && next.start < to ? next : undefined;
    },
  };
}
