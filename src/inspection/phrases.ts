import { lowerCase } from './transformations.ts';

/**
 * Whether any of many phrases stands in a text, letters of either case the same: Aho and Corasick's automaton, so that a
 * thousand phrases cost no more than one. Of octets only.
 */
export function createPhraseMatcher(phrases: readonly string[]): (text: string) => boolean {
  const words = phrases.map(lowerCase).filter((phrase) => phrase !== '');
  const classes = new Uint16Array(256);
  let classCount = 1;
  for (const word of words)
    for (let at = 0; at < word.length; at += 1) {
      const code = word.charCodeAt(at) & 0xff;
      if (classes[code] === 0) classes[code] = classCount++;
    }
  for (let code = 0x41; code <= 0x5a; code += 1) classes[code] = classes[code + 0x20] ?? 0;

  const states = words.reduce((sum, word) => sum + word.length, 1);
  const next = new Int32Array(states * classCount);
  const isEnd = new Uint8Array(states);
  let count = 1;
  for (const word of words) {
    let state = 0;
    for (let at = 0; at < word.length; at += 1) {
      const edge = state * classCount + (classes[word.charCodeAt(at) & 0xff] ?? 0);
      if (next[edge] === 0) next[edge] = count++;
      state = next[edge] ?? 0;
    }
    isEnd[state] = 1;
  }
  completeEdges(next, isEnd, classCount, count);

  return (text) => {
    let state = 0;
    for (let at = 0; at < text.length; at += 1) {
      state = next[state * classCount + (classes[text.charCodeAt(at) & 0xff] ?? 0)] ?? 0;
      if (isEnd[state] === 1) return true;
    }
    return false;
  };
}

/** Where no phrase goes on, the longest end of what was read that begins one does. */
function completeEdges(next: Int32Array, isEnd: Uint8Array, classCount: number, count: number): void {
  const fallback = new Int32Array(count);
  const queue: number[] = [];
  for (let edge = 0; edge < classCount; edge += 1) {
    const state = next[edge] ?? 0;
    if (state !== 0) queue.push(state);
  }
  for (const state of queue) {
    const back = fallback[state] ?? 0;
    if (isEnd[back] === 1) isEnd[state] = 1;
    for (let edge = 0; edge < classCount; edge += 1) {
      const place = state * classCount + edge;
      const target = next[place] ?? 0;
      const other = next[back * classCount + edge] ?? 0;
      if (target === 0) next[place] = other;
      else {
        fallback[target] = other;
        queue.push(target);
      }
    }
  }
}
