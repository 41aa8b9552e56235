import { expect, test } from 'vitest';
import { createPolicyEngine } from '../../src/policy/engine.ts';
import { allowed, app, contractPolicy, denied, device, engineOf, factsOf, policy, stateOf } from './facts.ts';

const everyone = policy('everyone', 'permit (principal, action, resource);');
const everyPath = (count: number) =>
  Array.from({ length: count }, (_, index) => factsOf({ path: `/${index}` }));

test('gives the identical decision to equal inputs until the next load, and another after it', () => {
  const engine = engineOf();
  const [first, second] = [engine.decide(factsOf()), engine.decide(factsOf())];
  expect(second).toBe(first);
  // Not even the path is part of what this slice depends on.
  expect(engine.decide(factsOf({ path: '/other', sourceAddress: '2001:db8::1' }))).toBe(first);
  expect(engine.decide(factsOf({ user: 'bob@example.org' }))).not.toBe(first);
  engine.load(stateOf());
  expect(engine.decide(factsOf())).not.toBe(first);
  expect(engine.decide(factsOf())).toEqual(first);
});

test('stamps each decision with the ledger head that it was made under, denials of the state too', () => {
  const engine = engineOf();
  const refused = factsOf({ thumbprint: 'thumbprint-2' });
  for (const sequence of [7, 8]) {
    engine.load(stateOf({ sequence }));
    expect(engine.decide(factsOf()).policyVersion).toBe(`${sequence}-abcdef01`);
    expect(engine.decide(refused).policyVersion).toBe(`${sequence}-abcdef01`);
    expect(engine.explain(refused).policyVersion).toBe(`${sequence}-abcdef01`);
  }
});

test('keeps no decision over a load that changed nothing that it stood on but the ledger head', () => {
  const state = stateOf();
  const engine = createPolicyEngine();
  engine.load(state);
  const facts = factsOf();
  const before = engine.decide(facts);
  expect(before).toEqual(allowed('finance-grants'));
  state.head = { ...state.head, sequence: 8 };
  engine.load(state);
  expect(engine.decide(facts)).toEqual({ ...before, policyVersion: '8-abcdef01' });
});

test('puts a changed, an added and a removed policy into force at the load', () => {
  const engine = engineOf({ policies: [everyone] });
  expect(engine.decide(factsOf())).toEqual(allowed('everyone'));
  engine.load(
    stateOf({ policies: [policy('everyone', 'permit (principal, action, resource) when { false };')] }),
  );
  expect(engine.decide(factsOf())).toEqual(denied(['no-policy-permits']));
  engine.load(stateOf({ policies: [everyone, policy('nobody', 'forbid (principal, action, resource);')] }));
  expect(engine.decide(factsOf())).toEqual(denied(['policy-forbids'], 'nobody'));
  engine.load(stateOf({ policies: [everyone] }));
  expect(engine.decide(factsOf())).toEqual(allowed('everyone'));
  engine.load(stateOf({ policies: [{ ...everyone, mode: 'shadow' }] }));
  expect(engine.decide(factsOf())).toMatchObject(denied(['no-policy-permits']));
  engine.load(stateOf({ policies: [] }));
  expect(engine.decide(factsOf())).toEqual(denied(['no-policy-permits']));
});

test('judges an application that moved to another network by the policies of that network', () => {
  const policies = [policy('finance', 'permit (principal, action, resource in Network::"finance");')];
  const engine = engineOf({ policies });
  expect(engine.decide(factsOf())).toEqual(allowed('finance'));
  const moved = app('grants', 'people');
  engine.load(stateOf({ policies, apps: [moved] }));
  expect(engine.decide(factsOf({ app: moved }))).toEqual(denied(['no-policy-permits']));
  expect(engine.decide(factsOf())).toEqual(denied(['application-removed']));
  engine.load(stateOf({ policies }));
  expect(engine.decide(factsOf())).toEqual(allowed('finance'));
});

test('does not mix up applications when their compiled policies take the places of others', () => {
  const names = Array.from({ length: 6 }, (_, index) => `app-${index}`);
  const engine = createPolicyEngine();
  for (let round = 0; round < 6; round++) {
    // Each round another application is open to all, others are closed, one is gone.
    const apps = names.filter((_, index) => index !== (round + 3) % 6).map((name) => app(name));
    const policies = names.map((name, index) =>
      policy(
        name,
        `${index === round ? 'permit' : 'forbid'} (principal, action, resource == App::"${name}");`,
      ),
    );
    engine.load(stateOf({ apps, policies }));
    for (const each of apps) {
      expect(engine.decide(factsOf({ app: each }))).toEqual(
        each.name === `app-${round}` ? allowed(each.name) : denied(['policy-forbids'], each.name),
      );
    }
  }
});

test('answers rightly beyond the bound of its cache', () => {
  const engine = createPolicyEngine({ decisionLimit: 10 });
  engine.load(
    stateOf({
      policies: [
        policy('even', 'permit (principal, action, resource) when { context.request.path like "*0" };'),
      ],
    }),
  );
  for (const facts of [...everyPath(40), ...everyPath(40)]) {
    expect(engine.decide(facts)).toEqual(
      facts.request.path.endsWith('0') ? allowed('even') : denied(['no-policy-permits']),
    );
  }
});

test('keeps the policies that the last state had when only devices moved', () => {
  const engine = engineOf({ policies: [policy('finance-grants', contractPolicy)] });
  expect(engine.decide(factsOf())).toEqual(allowed('finance-grants'));
  engine.load(stateOf({ devices: [device({ state: 'lost' })] }));
  expect(engine.decide(factsOf())).toEqual(denied(['device-lost']));
  engine.load(stateOf());
  expect(engine.decide(factsOf())).toEqual(allowed('finance-grants'));
});
