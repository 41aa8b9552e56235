import { postureCriteria, postureFactNames } from '../domain/posture.ts';
import type { Posture, PostureCriterion } from '../domain/posture.ts';
import type { CedarValue } from './cedar.ts';
import type { PolicyInputs } from './policy-inputs.ts';
import { timeValue } from './time-dimensions.ts';

/** What a decision is cached by: compared with `Map` equality, never joined into text. */
export type KeyPart = string | number | boolean | object | undefined;

/** One attribute of the context: the value that Cedar sees, and what tells two of them apart. */
export interface ContextLeaf {
  readonly value: (inputs: PolicyInputs) => CedarValue;
  /** What tells two values apart; where it is left out, the value itself. Time is keyed by time-dimensions.ts. */
  readonly keys?: readonly ((inputs: PolicyInputs) => KeyPart)[];
}

/** Anything but a plain yes or no is unknown, and so is all of a posture that is missing. */
export const isUnknown = (posture: Posture | undefined, name: PostureCriterion): boolean =>
  typeof posture?.checks[name] !== 'boolean';

const criterion = (name: PostureCriterion): ContextLeaf => ({
  // Unknown is never true.
  value: ({ posture }) => posture?.checks[name] === true,
  // And no failure: a denial says which of the two it was.
  keys: [({ posture }) => posture?.checks[name] ?? 'unknown'],
});

/** A dual-stack listener shows IPv4 peers as `::ffff:10.0.0.1`; policies are written for the IPv4 address. */
export const sourceAddress = (address: string): string =>
  address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '').replace(/%.*$/, '');

/** The context of the schema, leaf by leaf. */
export const contextLeaves: Readonly<Record<string, ContextLeaf>> = {
  'device.id': { value: ({ device }) => device.id },
  'device.state': { value: ({ device }) => device.state },
  'device.role': { value: ({ device }) => device.role },
  'device.enrolledAgeSeconds': {
    value: (inputs) => timeValue('enrolledAge', inputs),
    keys: [],
  },
  ...Object.fromEntries(postureCriteria.map((name) => [`posture.${name}`, criterion(name)])),
  'posture.unknown': {
    value: (inputs) => postureCriteria.filter((name) => isUnknown(inputs.posture, name)),
    keys: postureCriteria.map(
      (name) =>
        ({ posture }: PolicyInputs) =>
          isUnknown(posture, name),
    ),
  },
  'posture.missing': { value: ({ posture }) => posture === undefined },
  'posture.ageSeconds': { value: (inputs) => timeValue('postureAge', inputs), keys: [] },
  ...Object.fromEntries(
    postureFactNames.map((name): [string, ContextLeaf] => [
      `posture.${name}`,
      { value: ({ posture }) => posture?.[name] ?? '' },
    ]),
  ),
  'signIn.mfa': { value: ({ signIn }) => signIn.mfa },
  'signIn.missing': { value: ({ signIn }) => signIn.at === undefined },
  'signIn.ageSeconds': { value: (inputs) => timeValue('signInAge', inputs), keys: [] },
  'request.method': { value: ({ request }) => request.method },
  'request.path': { value: ({ request }) => request.path },
  'request.host': { value: ({ request }) => request.host },
  'source.address': {
    value: ({ request }) => ({ __extn: { fn: 'ip', arg: sourceAddress(request.sourceAddress) } }),
    keys: [({ request }) => request.sourceAddress],
  },
  now: {
    value: ({ now }) => ({ __extn: { fn: 'datetime', arg: new Date(now * 1000).toISOString() } }),
    keys: [],
  },
};

/** Leaves at or below a path such as `posture`; empty where the schema has no such thing. */
export const leavesBelow = (path: string): string[] =>
  Object.keys(contextLeaves).filter((leaf) => leaf === path || leaf.startsWith(`${path}.`));

/** The context for Cedar, with only the named leaves: what is not in the key of a decision is not in its sight. */
export function buildContext(leaves: Iterable<string>, inputs: PolicyInputs): Record<string, CedarValue> {
  const context: Record<string, CedarValue> = {};
  for (const path of leaves) {
    const leaf = contextLeaves[path];
    if (leaf === undefined) throw new TypeError(`no such attribute of the context: ${path}`);
    const [record = path, attribute] = path.split('.');
    if (attribute === undefined) {
      context[record] = leaf.value(inputs);
    } else {
      const values = (context[record] ??= {}) as Record<string, CedarValue>;
      values[attribute] = leaf.value(inputs);
    }
  }
  return context;
}
