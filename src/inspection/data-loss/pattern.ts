import { RE2JS } from 're2js';
import type { Detector } from './detector.ts';

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
  return {
    name,
    claims: false,
    reach: maxLength + 1,
    find(text, from, to) {
      for (let at = from; at < to; ) {
        // Whether there is any is told by an automaton, several times faster than where it is.
        if (!compiled.test(text.slice(Math.max(0, at - 1)))) return undefined;
        const matcher = compiled.matcher(text);
        if (!matcher.find(at)) return undefined;
        const start = matcher.start();
        const end = matcher.end();
        if (start >= to) return undefined;
        // What is longer might be cut off by where a piece ends.
        if (end > start && end - start <= maxLength) return { start, end, value: text.slice(start, end) };
        at = Math.max(end, at + 1);
      }
      return undefined;
    },
  };
}
