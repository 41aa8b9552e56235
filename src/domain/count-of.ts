/** A number with its noun, as people write it: `1 network`, `2 networks`. */
export const countOf = (count: number, noun: string, plural = `${noun}s`): string =>
  `${count} ${count === 1 ? noun : plural}`;
