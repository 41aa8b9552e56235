import { RE2JS } from 're2js';
import { isCrossSiteScript } from './detect-xss.ts';
import { isSqlInjection } from './detect-sqli.ts';
import { isNumericAddress } from '../domain/numeric-address.ts';
import { createPhraseMatcher } from './phrases.ts';

/** Looks at a value. With `groups`, what its groups matched goes there. */
export type Operator = (value: string, groups?: string[]) => boolean;

/** @param argument of the rule, all `%{…}` in it filled in. @throws when it cannot be read. */
type OperatorMaker = (argument: string, dataFile: (name: string) => string) => Operator;

const number = (text: string): number => {
  const value = Number.parseInt(text, 10);
  return Number.isNaN(value) ? 0 : value;
};

const comparison =
  (compare: (value: number, bound: number) => boolean): OperatorMaker =>
  (argument) => {
    const bound = number(argument);
    return (value) => compare(number(value), bound);
  };

/**
 * Patterns run in RE2's algorithm, whose time grows with the length of the value and with nothing else: no request can
 * make one of them slow. What a possessive quantifier (`*+`) adds is not in it; without, the pattern matches more.
 */
const rx: OperatorMaker = (argument) => {
  const flags = RE2JS.DOTALL | (/\(\?<[!=]/.test(argument) ? RE2JS.LOOKBEHINDS : 0);
  const pattern = RE2JS.compile(argument.replace(/(?<=[^\\][*+?}]|\\.[*+?}])\+/g, ''), flags);
  return (value, groups) => {
    if (groups === undefined) return pattern.test(value);
    const matcher = pattern.matcher(value);
    if (!matcher.find()) return false;
    for (let at = 0; at <= Math.min(matcher.groupCount(), 9); at += 1) groups[at] = matcher.group(at) ?? '';
    return true;
  };
};

const pmFromFile: OperatorMaker = (argument, dataFile) =>
  createPhraseMatcher(
    argument.split(/\s+/).flatMap((name) =>
      dataFile(name)
        .split(/\r?\n/)
        .map((line) => line.trim())
        .filter((line) => line !== '' && !line.startsWith('#')),
    ),
  );

/** What stands in such a list, `a|62 63|`, is octets in hexadecimal. */
const phrasesOf = (argument: string): string[] =>
  argument
    .replace(/\|([0-9a-fA-F\s]+)\|/g, (_, octets: string) =>
      octets
        .trim()
        .replace(/\s*([0-9a-fA-F]{2})/g, (__, pair: string) =>
          String.fromCharCode(Number.parseInt(pair, 16)),
        ),
    )
    .split(/\s+/);

const validateByteRange: OperatorMaker = (argument) => {
  const isAllowed = new Uint8Array(256);
  for (const range of argument.split(',')) {
    const [from = 0, to = from] = range.trim().split('-').map(number);
    isAllowed.fill(1, from, to + 1);
  }
  return (value) => {
    for (let at = 0; at < value.length; at += 1) if (isAllowed[value.charCodeAt(at)] !== 1) return true;
    return false;
  };
};

const isUtf8 = (value: string): boolean => {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(value, (one) => one.charCodeAt(0)));
    return true;
  } catch {
    return false;
  }
};

const captured = (check: (value: string) => boolean): OperatorMaker => {
  return () =>
    (value, groups): boolean => {
      if (!check(value)) return false;
      if (groups !== undefined) groups[0] = value;
      return true;
    };
};

/** By lower-case name. What is not here a rule cannot ask. */
export const operators: Readonly<Record<string, OperatorMaker>> = {
  rx,
  pm: (argument) => createPhraseMatcher(phrasesOf(argument)),
  pmfromfile: pmFromFile,
  pmf: pmFromFile,
  streq: (argument) => (value) => value === argument,
  contains: (argument) => (value) => value.includes(argument),
  within: (argument) => (value) => argument.includes(value),
  beginswith: (argument) => (value) => value.startsWith(argument),
  endswith: (argument) => (value) => value.endsWith(argument),
  eq: comparison((value, bound) => value === bound),
  ge: comparison((value, bound) => value >= bound),
  gt: comparison((value, bound) => value > bound),
  le: comparison((value, bound) => value <= bound),
  lt: comparison((value, bound) => value < bound),
  // Single addresses, as the rules have them; of ranges there is none that could be matched.
  ipmatch: (argument) => {
    const addresses = argument.split(',').map((address) => address.trim());
    if (addresses.some((address) => !isNumericAddress(address))) throw new TypeError('not a numeric address');
    return (value) => addresses.includes(value);
  },
  validatebyterange: validateByteRange,
  validateurlencoding: () => (value) => /%(?![0-9a-fA-F]{2})/.test(value),
  validateutf8encoding: () => (value) => !isUtf8(value),
  detectsqli: captured(isSqlInjection),
  detectxss: captured(isCrossSiteScript),
  unconditionalmatch: () => () => true,
  nomatch: () => () => false,
};
