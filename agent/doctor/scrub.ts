import { readFileSync } from 'node:fs';
import type { StatePaths } from '../state/state-directory.ts';

export type Scrub = (text: string) => string;

const removed = '[removed]';

const named = String.raw`\b((?:pass(?:word|phrase)?|secret|token|api[-_]?key|code_verifier)"?\s*[:=]\s*)`;

/** What secrets look like, wherever they may have come from. */
const shapes: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[^]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g, removed],
  [/\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*){1,3}/g, removed],
  [/\bpet1\.[\w.-]+/g, removed],
  [/\b(Bearer|Basic|Negotiate)(\s+)[\w.~+/=-]+/gi, `$1$2${removed}`],
  [/\b((?:set-)?cookie"?\s*[:=]\s*"?)[^"\r\n]+/gi, `$1${removed}`],
  [new RegExp(`${named}"[^"\\r\\n]*`, 'gi'), `$1"${removed}`],
  [new RegExp(`${named}[^"\\s&,}]+`, 'gi'), `$1${removed}`],
  [/(\b[a-z][a-z0-9+.-]*:\/\/)[^/\s@"]+@/gi, `$1${removed}@`],
];

/**
 * Takes secrets out of a text: the very ones of this laptop, read from its files for that alone, and whatever has the
 * shape of one. The bundle is made of what holds none anyway; this is for the day that something does.
 */
export function createScrub(paths: StatePaths): Scrub {
  const own = [
    ...secretLines(paths.key),
    ...secretValues(paths.cache, 'token'),
    ...secretValues(paths.signIn, 'signIn'),
  ];
  return (text) => {
    let clean = text;
    for (const secret of own) clean = clean.replaceAll(secret, removed);
    for (const [shape, instead] of shapes) clean = clean.replaceAll(shape, instead);
    return clean;
  };
}

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

/** The lines of a PEM file that are the key itself. */
const secretLines = (path: string): string[] =>
  read(path)
    .split(/\r?\n/)
    .filter((line) => line.length >= 16 && !line.startsWith('-----'));

/** Every longer text in one member of a JSON file. */
function secretValues(path: string, member: string): string[] {
  try {
    const value = (JSON.parse(read(path)) as Record<string, unknown>)[member];
    return textsIn(value).filter((text) => text.length >= 16);
  } catch {
    return [];
  }
}

function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : [];
}
