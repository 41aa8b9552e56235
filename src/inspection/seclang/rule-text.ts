import { RE2JS } from 're2js';
import { splitOutside } from './directives.ts';

/** What a rule looks at: a variable, members of a collection, or how many there are of them. */
export interface VariableText {
  readonly name: string;
  /** Lower case; of a pattern without its slashes. */
  readonly selector: string | undefined;
  readonly isPattern: boolean;
  readonly isCount: boolean;
  /** Takes members out again. */
  readonly isExcluded: boolean;
}

export interface OperatorText {
  readonly name: string;
  readonly argument: string;
  readonly isNegated: boolean;
}

/** Name and value, in the order in which they stand. */
export type ActionText = readonly [name: string, value: string];

/** @throws for a selector that is a pattern and does not compile. */
export function readVariables(text: string): VariableText[] {
  return splitOutside(text, '|', true).map((part) => {
    const isExcluded = part.startsWith('!');
    const isCount = part.startsWith('&');
    const rest = isExcluded || isCount ? part.slice(1) : part;
    const colon = rest.indexOf(':');
    const name = (colon === -1 ? rest : rest.slice(0, colon)).toUpperCase();
    const written = colon === -1 ? undefined : rest.slice(colon + 1).replace(/^'(.*)'$/s, '$1');
    // The XPath expressions that rules use, `/*` and `//@*`, are no patterns.
    const isPattern = name !== 'XML' && written !== undefined && /^\/.*\/$/s.test(written);
    const selector = isPattern ? written.slice(1, -1) : written?.toLowerCase();
    if (isPattern && selector !== undefined) patternOf(selector);
    return { name, selector, isPattern, isCount, isExcluded };
  });
}

/** Made once each, for the rules name the same few again and again. Keys are the client's: no pattern may be slow with one. */
const patterns = new Map<string, RE2JS>();

function patternOf(selector: string): RE2JS {
  let pattern = patterns.get(selector);
  if (pattern === undefined)
    patterns.set(selector, (pattern = RE2JS.compile(selector, RE2JS.CASE_INSENSITIVE)));
  return pattern;
}

/** Whether a member of a collection, by its key, is one of those that the variable names. */
export function isSelected({ selector, isPattern }: VariableText, key: string): boolean {
  if (selector === undefined) return true;
  return isPattern ? patternOf(selector).test(key) : key === selector;
}

export function readOperator(text: string): OperatorText {
  const match = /^(!?)@([A-Za-z0-9]+)(?:\s+(.*))?$/s.exec(text);
  if (match === null)
    return text.startsWith('!')
      ? { name: 'rx', argument: text.slice(1), isNegated: true }
      : { name: 'rx', argument: text, isNegated: false };
  return { name: match[2] ?? '', argument: (match[3] ?? '').trim(), isNegated: match[1] === '!' };
}

export function readActions(text: string): ActionText[] {
  return splitOutside(text, ',', false).map((part) => {
    const colon = part.indexOf(':');
    if (colon === -1) return [part.toLowerCase(), ''];
    const value = part
      .slice(colon + 1)
      .trim()
      .replace(/^'(.*)'$/s, '$1');
    return [part.slice(0, colon).trim().toLowerCase(), value];
  });
}
