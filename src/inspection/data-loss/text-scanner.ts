import { before } from './detector.ts';
import type { Detector, Match } from './detector.ts';

type Span = Pick<Match, 'start' | 'end'>;

/** How many different values of a kind are told apart; of more each counts. */
const maxDistinct = 16_384;

/**
 * Counts what detectors find in a text that comes in pieces, wherever these end. The same value counts once: an address at
 * the foot of each page is one address. Of what was found nothing is kept but a number by which it is known again.
 */
export class TextScanner {
  readonly #detectors: readonly Detector[];
  readonly #reach: number;
  /** Where each of them goes on. */
  readonly #from: number[];
  readonly #seen: Set<number>[];
  readonly #counts: number[];
  /** Where in the text something was found that is nothing else, in order; no two have anything in common. */
  #claimed: Span[] = [];
  #text = '';

  constructor(detectors: readonly Detector[]) {
    this.#detectors = detectors;
    this.#reach = Math.max(0, ...detectors.map(({ reach }) => reach));
    this.#from = detectors.map(() => 0);
    this.#seen = detectors.map(() => new Set());
    this.#counts = detectors.map(() => 0);
  }

  add(piece: string): void {
    this.#text += piece;
    // Nothing that begins behind this can be seen whole.
    const limit = this.#text.length - this.#reach;
    if (limit > 0) this.#scan(limit);
  }

  /** Nothing more comes, or what comes then is another text. */
  end(): void {
    this.#scan(this.#text.length);
    this.#text = '';
    this.#claimed = [];
    this.#from.fill(0);
  }

  /** How many different values were found by now, by name of the detector; those that found something. */
  get counts(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const [index, { name }] of this.#detectors.entries()) {
      const count = this.#counts[index] ?? 0;
      if (count > 0) counts[name] = count;
    }
    return counts;
  }

  #scan(limit: number): void {
    for (const [index, detector] of this.#detectors.entries()) {
      let from = this.#from[index] ?? 0;
      const own: Span[] = [];
      let beside = 0;
      for (;;) {
        const match = from < limit ? detector.find(this.#text, from, limit) : undefined;
        if (match === undefined) break;
        from = Math.max(match.end, from + 1);
        if (detector.claims) {
          while ((this.#claimed[beside]?.end ?? Number.POSITIVE_INFINITY) <= match.start) beside += 1;
          if ((this.#claimed[beside]?.start ?? Number.POSITIVE_INFINITY) < match.end) continue;
          own.push(match);
        }
        this.#count(index, match.value);
      }
      this.#from[index] = Math.max(from, limit);
      if (own.length > 0)
        this.#claimed = [...this.#claimed, ...own].toSorted((one, other) => one.start - other.start);
    }
    const kept = Math.max(0, limit - before);
    this.#text = this.#text.slice(kept);
    for (const [index, from] of this.#from.entries()) this.#from[index] = from - kept;
    this.#claimed = this.#claimed
      .filter(({ end }) => end > kept)
      .map(({ start, end }) => ({ start: start - kept, end: end - kept }));
  }

  #count(index: number, value: string): void {
    const seen = this.#seen[index];
    if (seen === undefined) return;
    if (seen.size < maxDistinct) {
      const { size } = seen;
      seen.add(hash(value));
      if (seen.size === size) return;
    }
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
  }
}

/** Of 53 bits (cyrb53): two values of one body are as good as never taken for one. */
function hash(value: string): number {
  let one = 0xdeadbeef;
  let other = 0x41c6ce57;
  for (let index = 0; index < value.length; index += 1) {
    const code = value.charCodeAt(index);
    one = Math.imul(one ^ code, 2654435761);
    other = Math.imul(other ^ code, 1597334677);
  }
  one = Math.imul(one ^ (one >>> 16), 2246822507) ^ Math.imul(other ^ (other >>> 13), 3266489909);
  other = Math.imul(other ^ (other >>> 16), 2246822507) ^ Math.imul(one ^ (one >>> 13), 3266489909);
  return 4294967296 * (2097151 & other) + (one >>> 0);
}
