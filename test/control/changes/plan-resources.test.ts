import { describe, expect, it } from 'vitest';
import { planDelete, planResources } from '../../../src/control/changes/plan-resources.ts';
import type { ControlState } from '../../../src/domain/control-state.ts';
import type { ControlEvent } from '../../../src/domain/events.ts';
import type { App, Group, Network, Policy, Resource } from '../../../src/domain/resources.ts';
import { checkEvents } from '../../../src/ledger/check-events.ts';
import type { PolicyContext, PolicyProblem } from '../../../src/policy/check-policies.ts';
import { created, deviceState, enrolled, stateOf, tokenCreated } from '../../ledger/samples.ts';

const network = (name: string, more: Partial<Network> = {}): Network => ({
  kind: 'Network',
  name,
  attach: { netns: `pn-${name}` },
  ...more,
});
const app = (name: string, of = 'finance', more: Partial<App> = {}): App => ({
  kind: 'App',
  name,
  network: of,
  host: `${name}.apps.example.org`,
  protocol: 'http',
  upstreams: ['http://10.0.0.2:8080'],
  ...more,
});
const group = (name: string, ...members: string[]): Group => ({ kind: 'Group', name, members });
const policy = (name: string, on: string, more: Partial<Policy> = {}): Policy => ({
  kind: 'Policy',
  name,
  cedar: `permit(principal, action, resource == App::"${on}");`,
  ...more,
});
const put = (resource: Resource): ControlEvent => ({ type: 'resource-put', resource });
const finance: readonly Resource[] = [
  network('finance'),
  app('grants'),
  group('staff', 'alice@example.org'),
  policy('all', 'grants'),
];
const stateWith = (...resources: readonly Resource[]): ControlState =>
  stateOf(created, ...resources.map(put));

/** Policies may name only apps that exist, and ones that are called `odd` deserve a second look. */
const checkPolicies = (policies: readonly Policy[], { apps }: PolicyContext): PolicyProblem[] =>
  policies.flatMap(({ name, cedar }): PolicyProblem[] => {
    const named = /App::"([^"]*)"/.exec(cedar)?.[1] ?? '';
    if (![...apps].some(({ name }) => name === named))
      return [{ policy: name, severity: 'error', message: `there is no app ${named}`, line: 1 }];
    return name === 'odd' ? [{ policy: name, severity: 'warning', message: 'looks odd' }] : [];
  });

function plan(
  state: ControlState,
  resources: readonly Resource[],
  more: { prune?: boolean; reservedHosts?: readonly string[] } = {},
): { changes: string[]; events: string[]; warnings: string[] } | { problems: string[] } {
  const planned = planResources(state, resources, { prune: false, checkPolicies, ...more });
  if ('problems' in planned)
    return {
      problems: planned.problems.map(({ kind, name, key, message }) => `${kind} ${name}: ${key}: ${message}`),
    };
  // Whatever is planned, the ledger takes.
  expect(checkEvents(state, planned.events)).toBeUndefined();
  return {
    changes: planned.changes.map(({ action, kind, name }) => `${action} ${kind} ${name}`),
    events: planned.events.map((event) =>
      event.type === 'resource-put'
        ? `put ${event.resource.kind} ${event.resource.name}`
        : `delete ${event.kind} ${event.name}`,
    ),
    warnings: planned.warnings.map(({ kind, name, message }) => `${kind} ${name}: ${message}`),
  };
}

describe('planning resources', () => {
  it('creates what is not there, references before what refers to them and policies before apps', () => {
    expect(plan(stateWith(), [...finance].reverse())).toEqual({
      changes: ['create Policy all', 'create Group staff', 'create App grants', 'create Network finance'],
      events: ['put Network finance', 'put Group staff', 'put Policy all', 'put App grants'],
      warnings: [],
    });
  });

  it('does nothing the second time, however the keys are ordered', () => {
    const shuffled = finance.map(
      (resource) => Object.fromEntries(Object.entries(resource).reverse()) as unknown as Resource,
    );
    expect(plan(stateWith(...finance), shuffled)).toEqual({
      changes: [
        'unchanged Network finance',
        'unchanged App grants',
        'unchanged Group staff',
        'unchanged Policy all',
      ],
      events: [],
      warnings: [],
    });
  });

  it('updates what differs, and only that', () => {
    const moved = app('grants', 'finance', { upstreams: ['http://10.0.0.3:8080'] });
    expect(plan(stateWith(...finance), [moved, group('staff', 'alice@example.org')])).toEqual({
      changes: ['update App grants', 'unchanged Group staff'],
      events: ['put App grants'],
      warnings: [],
    });
  });

  it('leaves alone what is not in the set, unless it is to prune', () => {
    const state = stateWith(
      ...finance,
      network('hr'),
      app('leave', 'hr'),
      policy('hr', 'leave'),
      group('hr', 'bob'),
    );
    expect(plan(state, finance)).toMatchObject({ events: [] });
    expect(plan(state, finance, { prune: true })).toEqual({
      changes: [
        ...finance.map(({ kind, name }) => `unchanged ${kind} ${name}`),
        'delete Network hr',
        'delete App leave',
        'delete Group hr',
        'delete Policy hr',
      ],
      events: ['delete App leave', 'delete Policy hr', 'delete Group hr', 'delete Network hr'],
      warnings: [],
    });
  });

  it('never prunes devices, tokens or keys', () => {
    const state = stateOf(created, tokenCreated('t1'), enrolled('d1', 't1'), ...finance.map(put));
    const planned = plan(state, [], { prune: true });
    expect(planned).toMatchObject({
      events: ['delete App grants', 'delete Policy all', 'delete Group staff', 'delete Network finance'],
    });
  });

  it.each<[string, readonly Resource[], readonly Resource[], boolean, string[]]>([
    [
      'a network that does not exist',
      [],
      [app('grants')],
      false,
      ['App grants: network: there is no network finance'],
    ],
    [
      'a network that is pruned',
      finance,
      finance.slice(1),
      true,
      ['App grants: network: there is no network finance'],
    ],
    [
      'a policy on an app that does not exist',
      [network('finance')],
      [policy('all', 'grants')],
      false,
      ['Policy all: cedar: there is no app grants'],
    ],
    [
      'a policy that stays while its app is pruned',
      finance,
      [network('finance'), policy('all', 'grants')],
      true,
      ['Policy all: cedar: there is no app grants'],
    ],
    [
      'a host that an app has already which is not in the set',
      finance,
      [app('other', 'finance', { host: 'grants.apps.example.org' })],
      false,
      ['App other: host: grants.apps.example.org is taken by app grants'],
    ],
    [
      'a resolver taken from under an app that stays',
      [
        network('finance', { dns: ['10.0.0.53'] }),
        app('grants', 'finance', { upstreams: ['http://db.internal:80'] }),
      ],
      [network('finance')],
      false,
      ['App grants: upstreams[0]: db.internal is a name, and network finance has no dns to resolve it with'],
    ],
    [
      'the same resource twice',
      [],
      [network('finance'), network('finance')],
      false,
      ['Network finance: name: is given twice'],
    ],
  ])('refuses all of it for %s', (_, before, resources, prune, problems) => {
    expect(plan(stateWith(...before), resources, { prune })).toEqual({ problems });
  });

  it("refuses a host of the server's own", () => {
    const reservedHosts = ['grants.apps.example.org'];
    expect(plan(stateWith(), finance, { reservedHosts })).toHaveProperty('problems.length', 1);
  });

  it('reports every problem at once, with the line in a policy', () => {
    const planned = planResources(stateWith(), [app('a', 'x'), app('b', 'y'), policy('p', 'z')], {
      prune: false,
      checkPolicies,
    });
    expect(planned).toEqual({
      problems: [
        { kind: 'App', name: 'a', key: 'network', message: 'there is no network x' },
        { kind: 'App', name: 'b', key: 'network', message: 'there is no network y' },
        { kind: 'Policy', name: 'p', key: 'cedar', message: 'there is no app z', line: 1 },
      ],
    });
  });

  it('warns of what is in the set and may surprise, and not of what was there before', () => {
    const state = stateWith(...finance, network('idle'));
    expect(plan(state, [policy('odd', 'grants', { mode: 'shadow' })])).toMatchObject({
      warnings: ['Policy odd: shadow: it is evaluated and logged, never enforced', 'Policy odd: looks odd'],
    });
  });
});

describe('planning a deletion', () => {
  const remove = (state: ControlState, kind: Resource['kind'], name: string): unknown =>
    planDelete(state, kind, name, { checkPolicies });

  it('deletes what nothing refers to', () => {
    for (const [kind, name] of [
      ['Policy', 'all'],
      ['Group', 'staff'],
    ] as const)
      expect(remove(stateWith(...finance), kind, name)).toEqual({
        events: [{ type: 'resource-deleted', kind, name }],
      });
    expect(remove(stateWith(network('finance')), 'Network', 'finance')).toHaveProperty('events.length', 1);
  });

  it.each<[Resource['kind'], string, string]>([
    ['Network', 'finance', 'App grants: there is no network finance'],
    ['App', 'grants', 'Policy all: there is no app grants'],
  ])('refuses a %s in use, and says by what', (kind, name, detail) => {
    expect(remove(stateWith(...finance), kind, name)).toEqual({ code: 'in-use', detail });
  });

  it('refuses what is not there', () => {
    expect(remove(stateWith(...finance), 'App', 'finance')).toEqual({
      code: 'not-found',
      detail: 'App finance',
    });
  });

  it('is not kept from it by a problem that was there before', () => {
    const state = stateWith(...finance, policy('stale', 'gone'));
    expect(remove(state, 'Group', 'staff')).toHaveProperty('events.length', 1);
    expect(remove(state, 'App', 'grants')).toHaveProperty('code', 'in-use');
  });

  it('refuses a network that a connector serves, by deletion or by pruning, until that is revoked', () => {
    const connector = { role: 'connector', network: 'hr' } as const;
    const events = [
      created,
      put(network('hr')),
      { ...tokenCreated('t1'), ...connector } as ControlEvent,
      { ...enrolled('d1', 't1'), ...connector } as ControlEvent,
    ];
    const serving = stateOf(...events);
    const message = 'cannot be deleted while connector d1 serves it: revoke that first';
    expect(remove(serving, 'Network', 'hr')).toEqual({ code: 'in-use', detail: `Network hr: ${message}` });
    expect(plan(serving, [], { prune: true })).toEqual({ problems: [`Network hr: : ${message}`] });
    const revoked = stateOf(...events, deviceState('d1', 'revoked'));
    expect(remove(revoked, 'Network', 'hr')).toHaveProperty('events.length', 1);
    expect(plan(revoked, [], { prune: true })).toMatchObject({ events: ['delete Network hr'] });
  });
});
