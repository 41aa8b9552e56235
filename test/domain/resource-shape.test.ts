import { Ajv } from 'ajv';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatPath } from '../../src/domain/check-shape.ts';
import { checkResourceShape } from '../../src/domain/resource-shape.ts';
import { resourceKinds, resourceSchemas } from '../../src/domain/resources.ts';
import { app as makeApp, network as makeNetwork } from '../lab/resources.ts';

const app = makeApp();
const network = makeNetwork();
const group = { kind: 'Group', name: 'staff', members: ['alice@example.org'] };
const policy = { kind: 'Policy', name: 'p', cedar: 'permit(principal, action, resource);' };
const administrator = {
  kind: 'Administrator',
  name: 'team',
  role: 'security',
  members: ['alice@example.org'],
};

const problemsOf = (value: unknown): string[] =>
  (checkResourceShape(value).problems ?? []).map(({ path, message }) => `${formatPath(path)}: ${message}`);

describe('the shape of a resource', () => {
  it.each([app, network, group, policy])('passes %j', (resource) => {
    expect(checkResourceShape(resource)).toEqual({ resource });
  });

  it.each<[string, unknown, string]>([
    ['a misspelled key', { ...app, inspct: [] }, 'inspct: unknown key `inspct`; did you mean `inspect`?'],
    [
      'a key of nothing',
      { ...group, colour: 1 },
      'colour: unknown key `colour`; known are kind, name, members',
    ],
    [
      'a key that every object has',
      JSON.parse('{"kind":"Group","name":"a","members":[],"__proto__":{}}'),
      '__proto__: unknown key `__proto__`; known are kind, name, members',
    ],
    [
      'a nested unknown key',
      { ...app, health: { path: '/', every: '5s', evry: '5s' } },
      'health.evry: unknown key `evry`; did you mean `every`?',
    ],
    ['a missing key', { kind: 'Group', name: 'staff' }, ': `members` is missing'],
    [
      'a number for text',
      { ...group, name: 12 },
      'name: must be text, not the number 12: put quotes around it',
    ],
    [
      'a name that is none',
      { ...group, name: 'Staff' },
      'name: "Staff" is no name: use lower-case letters, digits and hyphens, at most 63',
    ],
    [
      'text for a list',
      { ...app, upstreams: 'http://10.0.0.2:80' },
      'upstreams: must be a list, not text "http://10.0.0.2:80"',
    ],
    ['an empty list', { ...app, upstreams: [] }, 'upstreams: needs at least 1 of a list'],
    ['text for a number', { ...app, ports: ['443'] }, 'ports[0]: must be a whole number, not text "443"'],
    [
      'a number out of bounds',
      { ...app, ports: [65_536] },
      'ports[0]: must lie between 1 and 65535, not 65536',
    ],
    [
      'a word that is not one of them',
      { ...app, protocol: 'htp' },
      'protocol: must be one of http, tcp, tls, ssh, rdp, postgres, udp, not text "htp"; did you mean http?',
    ],
    ['a mode that is none', { ...policy, mode: 'on' }, 'mode: must be one of enforce, shadow, not text "on"'],
    [
      'two ways to attach',
      { ...network, attach: { netns: 'a', direct: true } },
      'attach: must be exactly one of { netns }, { connector: "remote" }, { sourceAddress }, { direct: true } and not { netns, direct }',
    ],
    [
      'a way to attach that is none',
      { ...network, attach: { direct: false } },
      'attach.direct: must be true, not the value false',
    ],
    ['half a claim', { ...group, members: { claim: 'groups' } }, 'members: `value` is missing'],
    ['an unknown kind', { ...app, kind: 'Ap' }, 'kind: unknown kind `Ap`; did you mean `App`?'],
    [
      'a kind that every object has',
      { kind: 'constructor' },
      'kind: unknown kind `constructor`; known are Network, App, Group, Policy, Administrator, Firewall',
    ],
    ['no kind', { name: 'a' }, ': `kind` is missing (Network, App, Group, Policy, Administrator, Firewall)'],
    ['no resource', ['App'], ': must be a resource, with `kind`, `name` and the keys of its kind'],
    ['nothing', null, ': must be a resource, with `kind`, `name` and the keys of its kind'],
  ])('names %s', (_, value, problem) => {
    expect(problemsOf(value)).toEqual([problem]);
  });

  it('names all that is wrong at once', () => {
    expect(problemsOf({ kind: 'Network', name: 'A', attach: {}, dns: [53], note: '' })).toHaveLength(4);
  });

  it('judges as the published schema does, whatever the value', () => {
    const validators = Object.fromEntries(
      resourceKinds.map((kind) => [kind, new Ajv({ strict: false }).compile(resourceSchemas[kind])]),
    );
    // Good resources with one part replaced, taken out or added, at the top or further down.
    const junk = fc.oneof(
      fc.jsonValue({ maxDepth: 1 }),
      fc.constantFrom(
        'grants',
        '/',
        '5s',
        443,
        true,
        'tcp',
        ['waf'],
        ['10.0.0.1'],
        { netns: 'x' },
        { direct: true },
      ),
    );
    const keys = [
      'name',
      'attach',
      'dns',
      'host',
      'protocol',
      'ports',
      'upstreams',
      'health',
      'inspect',
      'members',
      'mode',
      'role',
      'cedar',
      'network',
      'x',
    ];
    const mutated = fc
      .tuple(
        fc.constantFrom(app, network, group, policy, administrator),
        fc.constantFrom(...keys),
        fc.option(junk),
      )
      .map(([base, key, value]) => {
        const copy: Record<string, unknown> = { ...base };
        if (value === null) delete copy[key];
        else copy[key] = value;
        return copy as { kind: string };
      });
    let good = 0;
    fc.assert(
      fc.property(mutated, (value) => {
        const isGood = validators[value.kind]?.(value) === true;
        good += isGood ? 1 : 0;
        expect(problemsOf(value).length === 0).toBe(isGood);
      }),
      { numRuns: 3000 },
    );
    expect(good).toBeGreaterThan(50);
  });
});
