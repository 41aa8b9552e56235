import { expect, test } from 'vitest';
import { allowed, app, contractPolicy, denied, engineOf, factsOf, now, policy, stateOf } from './facts.ts';

/** Overflows for every age but zero: nothing that a validator can see. */
const overflows = 'context.posture.ageSeconds * 9223372036854775807 > 0';
const freshest = { posture: { measuredAt: now } };
const everyone = policy('everyone', 'permit (principal, action, resource);');

test('denies when a forbid cannot be evaluated, as it might have held', () => {
  const engine = engineOf({
    policies: [everyone, policy('broken', `forbid (principal, action, resource) when { ${overflows} };`)],
  });
  expect(engine.decide(factsOf({ ...freshest, issuedAt: now }))).toEqual(allowed('everyone'));
  expect(engine.decide(factsOf())).toEqual(denied(['policy-error'], 'broken'));
});

test('passes over a permit that cannot be evaluated where another permits, and denies where none does', () => {
  const broken = policy('broken', `permit (principal, action, resource) when { ${overflows} };`);
  expect(engineOf({ policies: [everyone, broken] }).decide(factsOf())).toEqual(allowed('everyone'));
  expect(engineOf({ policies: [broken] }).decide(factsOf())).toEqual(denied(['policy-error'], 'broken'));
});

test('says both when one forbid holds and another cannot be evaluated', () => {
  const engine = engineOf({
    policies: [
      everyone,
      policy('broken', `forbid (principal, action, resource) when { ${overflows} };`),
      policy('nobody', 'forbid (principal, action, resource);'),
    ],
  });
  expect(engine.decide(factsOf())).toEqual(denied(['policy-forbids', 'policy-error'], 'broken', 'nobody'));
});

test('denies an application whose policies do not validate, and goes on with the others', () => {
  const wiki = app('wiki', 'finance');
  const engine = engineOf({
    apps: [app(), wiki],
    policies: [
      policy('finance-grants', contractPolicy),
      everyone,
      policy(
        'typo',
        'permit (principal, action, resource == App::"wiki") when { context.posture.diskEncrpyted };',
      ),
    ],
  });
  expect(engine.decide(factsOf())).toEqual(allowed('everyone', 'finance-grants'));
  expect(engine.decide(factsOf({ app: wiki }))).toEqual(denied(['policy-error'], 'typo'));
});

test.each([
  ['does not parse', 'forbid (principal, action, resource'],
  ['is a template', 'forbid (principal == ?principal, action, resource);'],
  ['holds no policy', '// forbid (principal, action, resource);'],
])(
  'denies everything while an enforced policy %s, as nobody can tell what it would forbid',
  (_title, text) => {
    const engine = engineOf({ policies: [everyone, policy('unreadable', text)] });
    expect(engine.decide(factsOf())).toEqual(denied(['policy-error'], 'unreadable'));
    engine.load(stateOf({ policies: [everyone, policy('unreadable', text, 'shadow')] }));
    expect(engine.decide(factsOf())).toMatchObject(allowed('everyone'));
    engine.load(stateOf({ policies: [everyone, policy('unreadable', text)] }));
    expect(engine.decide(factsOf())).toEqual(denied(['policy-error'], 'unreadable'));
    engine.load(stateOf({ policies: [everyone] }));
    expect(engine.decide(factsOf())).toEqual(allowed('everyone'));
  },
);

test('denies what Cedar cannot read, such as a source address that is none', () => {
  const engine = engineOf({
    policies: [
      policy('v4', 'permit (principal, action, resource) when { context.source.address.isIpv4() };'),
    ],
  });
  expect(engine.decide(factsOf())).toEqual(allowed('v4'));
  expect(engine.decide(factsOf({ sourceAddress: 'not an address' }))).toEqual(denied(['policy-error']));
});
