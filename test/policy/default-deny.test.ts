import { expect, test } from 'vitest';
import { createPolicyEngine } from '../../src/policy/engine.ts';
import { allowed, app, contractPolicy, denied, engineOf, factsOf, policy, stateOf } from './facts.ts';

const everyone = policy('everyone', 'permit (principal, action, resource);');

test('denies everything before a state was loaded', () => {
  const engine = createPolicyEngine();
  expect(engine.decide(factsOf())).toEqual({
    effect: 'deny',
    reasons: ['policy-error'],
    policies: [],
    policyVersion: '0-00000000',
  });
  expect(engine.explain(factsOf())).toMatchObject({ effect: 'deny', reasons: ['policy-error'] });
  engine.load(stateOf());
  expect(engine.decide(factsOf())).toEqual(allowed('finance-grants'));
});

test('denies what no policy permits', () => {
  expect(engineOf({ policies: [everyone] }).decide(factsOf())).toEqual(allowed('everyone'));
  expect(engineOf({ policies: [] }).decide(factsOf())).toEqual(denied(['no-policy-permits']));
});

test('denies a user outside the group, and names no policy', () => {
  const engine = engineOf();
  expect(engine.decide(factsOf())).toEqual(allowed('finance-grants'));
  expect(engine.decide(factsOf({ user: 'mallory@example.org' }))).toEqual(denied(['no-policy-permits']));
});

test('lets a forbid win over every permit, and names the forbids that did', () => {
  const engine = engineOf({
    policies: [
      everyone,
      policy('finance-grants', contractPolicy),
      policy(
        'no-admin',
        'forbid (principal, action, resource) when { context.request.path like "/admin*" };',
      ),
      policy(
        'abroad',
        'forbid (principal, action, resource) unless { context.source.address.isInRange(ip("192.0.2.0/24")) };',
      ),
    ],
  });
  expect(engine.decide(factsOf({ path: '/' }))).toEqual(allowed('everyone', 'finance-grants'));
  expect(engine.decide(factsOf({ path: '/admin' }))).toEqual(denied(['policy-forbids'], 'no-admin'));
  expect(engine.decide(factsOf({ path: '/admin', sourceAddress: '198.51.100.1' }))).toEqual(
    denied(['policy-forbids'], 'abroad', 'no-admin'),
  );
});

test('never enforces a shadow policy, neither its permit nor its forbid', () => {
  const shadowPermit = policy('everyone', everyone.cedar, 'shadow');
  const shadowForbid = policy('nobody', 'forbid (principal, action, resource);', 'shadow');
  expect(engineOf({ policies: [shadowPermit] }).decide(factsOf())).toMatchObject(
    denied(['no-policy-permits']),
  );
  expect(engineOf({ policies: [everyone, shadowForbid] }).decide(factsOf())).toMatchObject(
    allowed('everyone'),
  );
  const enforced = policy('nobody', shadowForbid.cedar, 'enforce');
  expect(engineOf({ policies: [everyone, enforced] }).decide(factsOf())).toEqual(
    denied(['policy-forbids'], 'nobody'),
  );
});

test('names a resource once however many of its Cedar policies decided', () => {
  const several = Array.from(
    { length: 12 },
    (_, index) => `permit (principal, action, resource) when { context.request.path != "/${index}" };`,
  );
  several.push('forbid (principal, action, resource) when { context.request.method == "DELETE" };');
  const engine = engineOf({ policies: [policy('several', several.join('\n'))] });
  expect(engine.decide(factsOf())).toEqual(allowed('several'));
  expect(engine.decide(factsOf({ method: 'DELETE' }))).toEqual(denied(['policy-forbids'], 'several'));
});

test('reads an IPv4 peer of a dual-stack listener as the IPv4 address that policies are written for', () => {
  const engine = engineOf({
    policies: [
      policy(
        'office',
        'permit (principal, action, resource) when { context.source.address.isInRange(ip("192.0.2.0/24")) };',
      ),
    ],
  });
  expect(engine.decide(factsOf({ sourceAddress: '::ffff:192.0.2.7' }))).toEqual(allowed('office'));
  expect(engine.decide(factsOf({ sourceAddress: '::ffff:198.51.100.7' }))).toEqual(
    denied(['no-policy-permits']),
  );
  // Of a link-local peer Node adds the interface, which Cedar would not read.
  for (const sourceAddress of ['2001:db8::7', 'fe80::1%eth0']) {
    expect(engine.decide(factsOf({ sourceAddress }))).toEqual(denied(['no-policy-permits']));
  }
});

test('denies another application than the one that a policy names', () => {
  const wiki = app('wiki', 'finance');
  const engine = engineOf({ apps: [app(), wiki] });
  expect(engine.decide(factsOf())).toEqual(allowed('finance-grants'));
  expect(engine.decide(factsOf({ app: wiki }))).toEqual(denied(['no-policy-permits']));
});
