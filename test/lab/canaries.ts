import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Texts that occur nowhere else, each named after the place it was put. */
export interface Canaries {
  /** The same text for the same place. */
  readonly at: (place: string) => string;
  /** Watches a text that something else made. */
  watch(place: string, text: string): void;
  /** The places whose text, as it is or in the usual encodings, occurs in an output. */
  foundIn(output: string): string[];
  readonly count: number;
}

export function createCanaries(): Canaries {
  const texts = new Map<string, string>();
  const spellings = new Map<string, readonly string[]>();
  const watch = (place: string, text: string): void => {
    texts.set(place, text);
    const bytes = Buffer.from(text);
    // Base64 of a text differs by where in a group of three it begins.
    const encoded = [0, 1, 2].map((pad) => {
      const padded = Buffer.concat([Buffer.alloc(pad), bytes]).toString('base64');
      return padded.slice(pad === 0 ? 0 : pad + 1, -4);
    });
    spellings.set(
      place,
      [text, bytes.toString('hex'), ...encoded].map((spelling) => spelling.toLowerCase()),
    );
  };
  return {
    at(place) {
      if (!texts.has(place)) watch(place, `kanari${randomBytes(9).toString('hex')}`);
      return texts.get(place) ?? '';
    },
    watch,
    foundIn(output) {
      const lower = output.toLowerCase();
      return [...spellings]
        .filter(([, each]) => each.some((spelling) => lower.includes(spelling)))
        .map(([place]) => place);
    },
    get count() {
      return texts.size;
    },
  };
}

/** All files below a directory, as text of bytes, by their paths in it. */
export function filesBelow(directory: string): Map<string, string> {
  const found = new Map<string, string>();
  if (!existsSync(directory)) return found;
  for (const name of readdirSync(directory, { recursive: true }) as string[]) {
    const path = join(directory, name);
    if (statSync(path).isFile()) found.set(name, readFileSync(path, 'latin1'));
  }
  return found;
}
