import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Decision, ShadowOutcome } from '../../src/domain/decision.ts';
import type { DeviceId } from '../../src/domain/ids.ts';
import type { Policy } from '../../src/domain/resources.ts';
import { createPolicyEngine } from '../../src/policy/engine.ts';
import { app, device, engineOf, factsOf, now, policy, stateOf } from './facts.ts';
import type { FactParts } from './facts.ts';
import { accesses, apps, groups, policySets } from './random-policies.ts';

const everyone = policy('everyone', 'permit (principal, action, resource);');
const shadow = (name: string, text: string) => policy(name, text, 'shadow');
const outcome = (names: readonly string[], more: Partial<ShadowOutcome> = {}): ShadowOutcome => ({
  evaluated: names,
  wouldAllow: [],
  wouldDeny: [],
  wouldChallenge: [],
  failed: [],
  ...more,
});
const decide = (policies: readonly Policy[], parts: FactParts = {}): Decision =>
  engineOf({ policies }).decide(factsOf(parts));
const withoutShadow = (decision: Decision): object =>
  Object.fromEntries(Object.entries(decision).filter(([name]) => name !== 'shadow'));

test('says that a shadow policy would deny what is allowed, and allows it', () => {
  const stop = shadow(
    'stop',
    'forbid (principal, action, resource) when { context.request.method == "POST" };',
  );
  expect(decide([everyone, stop], { method: 'POST' })).toEqual({
    ...decide([everyone], { method: 'POST' }),
    shadow: outcome(['stop'], { wouldDeny: ['stop'] }),
  });
  expect(decide([everyone, stop], { method: 'GET' })).toEqual({
    ...decide([everyone]),
    shadow: outcome(['stop']),
  });
});

test('says that a shadow policy would allow what is denied, and denies it', () => {
  const open = shadow('open', 'permit (principal, action, resource) when { context.posture.secureBoot };');
  expect(decide([open])).toEqual({ ...decide([]), shadow: outcome(['open'], { wouldAllow: ['open'] }) });
  expect(decide([open], { checks: { secureBoot: false } })).toEqual({
    ...decide([]),
    shadow: outcome(['open']),
  });
  // A forbid that is in force holds whatever a permit says.
  const forbidden = [policy('never', 'forbid (principal, action, resource);'), open];
  expect(decide(forbidden).shadow).toEqual(outcome(['open']));
});

test('says that a shadow policy would ask for a sign-in', () => {
  const asks = shadow('asks', 'forbid (principal, action, resource) unless { context.signIn.mfa };');
  expect(decide([everyone, asks]).shadow).toEqual(outcome(['asks'], { wouldChallenge: ['asks'] }));
  expect(decide([everyone, asks], { signIn: { at: now, mfa: true } }).shadow).toEqual(outcome(['asks']));
});

test('tries each by itself: two that would undo each other are both told', () => {
  const policies = [
    shadow('open', 'permit (principal, action, resource);'),
    shadow('shut', 'forbid (principal, action, resource);'),
  ];
  expect(decide(policies).shadow).toEqual(outcome(['open', 'shut'], { wouldAllow: ['open'] }));
  expect(decide([everyone, ...policies]).shadow).toEqual(outcome(['open', 'shut'], { wouldDeny: ['shut'] }));
});

test('has no word of it where no shadow policy is for the application', () => {
  const elsewhere = shadow('elsewhere', 'forbid (principal, action, resource == App::"wiki");');
  expect(decide([everyone, elsewhere])).toEqual(decide([everyone]));
  expect(decide([everyone])).not.toHaveProperty('shadow');
  const revoked = engineOf({
    policies: [everyone, shadow('stop', 'forbid (principal, action, resource);')],
    devices: [device({ state: 'revoked' })],
  });
  expect(revoked.decide(factsOf())).not.toHaveProperty('shadow');
});

test('never lets a fault of a shadow policy touch the answer', () => {
  const faults = [
    shadow('syntax', 'forbid (principal'),
    shadow('schema', 'forbid (principal, action, resource) when { context.nothing };'),
    shadow(
      'overflow',
      'forbid (principal, action, resource) when { context.posture.ageSeconds * 9223372036854775807 > 0 };',
    ),
  ];
  const good = shadow('good', 'forbid (principal, action, resource);');
  expect(decide([everyone, ...faults, good])).toEqual({
    ...decide([everyone]),
    shadow: outcome(['good', 'overflow'], {
      // It could not be evaluated, so in force it would deny.
      wouldDeny: ['good', 'overflow'],
      failed: ['overflow', 'schema', 'syntax'],
    }),
  });
  const address = shadow(
    'address',
    'forbid (principal, action, resource) when { context.source.address.isIpv6() };',
  );
  expect(decide([everyone, address], { sourceAddress: 'not an address' })).toEqual({
    ...decide([everyone]),
    shadow: outcome([], { failed: ['address'] }),
  });
});

test('asks for no review on behalf of a shadow policy', () => {
  const aging = shadow(
    'aging',
    'forbid (principal, action, resource) when { context.posture.ageSeconds > 90 };',
  );
  const engine = engineOf({ policies: [everyone, aging] });
  expect(engine.dependsOnTime(factsOf())).toBe(false);
  expect(engine.nextReviewSeconds(factsOf())).toBe(570);
  expect(engine.decide(factsOf()).shadow).toEqual(outcome(['aging']));
  expect(engine.decide(factsOf({ now: now + 31 })).shadow).toEqual(
    outcome(['aging'], { wouldDeny: ['aging'] }),
  );
});

test('follows a shadow policy that comes, changes and goes', () => {
  const engine = engineOf({ policies: [everyone] });
  expect(engine.decide(factsOf())).not.toHaveProperty('shadow');
  const stop = shadow('stop', 'forbid (principal, action, resource);');
  engine.load(stateOf({ policies: [everyone, stop] }));
  expect(engine.decide(factsOf()).shadow).toEqual(outcome(['stop'], { wouldDeny: ['stop'] }));
  engine.load(stateOf({ policies: [everyone, { ...stop, cedar: 'permit (principal, action, resource);' }] }));
  expect(engine.decide(factsOf()).shadow).toEqual(outcome(['stop']));
  engine.load(stateOf({ policies: [everyone, { ...stop, mode: 'enforce' }] }));
  expect(engine.decide(factsOf())).toMatchObject({ effect: 'deny', policies: ['stop'] });
  engine.load(stateOf({ policies: [everyone] }));
  expect(engine.decide(factsOf())).not.toHaveProperty('shadow');
});

const devices = [
  device(),
  device({ id: 'laptop-2' as DeviceId, enrolledAt: device().enrolledAt + 1000 }),
  device({ id: 'laptop-3' as DeviceId, state: 'quarantined' }),
];
const load = (policies: readonly Policy[], cache = false) => {
  const engine = createPolicyEngine({ cache });
  engine.load(stateOf({ policies, apps, groups, devices }));
  return engine;
};

test('answers as without shadow policies, and says of each what it would answer with that one in force', () => {
  const told = { allow: 0, deny: 0, challenge: 0, same: 0 };
  fc.assert(
    fc.property(policySets, fc.array(accesses, { minLength: 1, maxLength: 8 }), (any, asked) => {
      const policies = any.map((each, at) => (at % 2 === 0 ? each : { ...each, mode: 'shadow' as const }));
      const enforced = policies.filter(({ mode }) => mode !== 'shadow');
      const shadows = policies.filter(({ mode }) => mode === 'shadow');
      const [judging, plain] = [load(policies, true), load(enforced)];
      const each = shadows.map((one) => ({
        name: one.name,
        engine: load([...enforced, { ...one, mode: 'enforce' as const }]),
      }));
      for (const facts of [...asked, ...asked]) {
        const decision = judging.decide(facts);
        expect(withoutShadow(decision)).toEqual(plain.decide(facts));
        for (const { name, engine } of each) {
          const would = engine.decide(facts).effect;
          const { wouldAllow = [], wouldDeny = [], wouldChallenge = [] } = decision.shadow ?? {};
          const says = wouldAllow.includes(name)
            ? 'allow'
            : wouldDeny.includes(name)
              ? 'deny'
              : wouldChallenge.includes(name)
                ? 'challenge'
                : decision.effect;
          expect([name, says]).toEqual([name, would]);
          told[would === decision.effect ? 'same' : would]++;
        }
      }
    }),
    { numRuns: 100 },
  );
  expect(Math.min(told.allow, told.deny, told.same)).toBeGreaterThan(5);
});

test('keeps shadow outcomes of two applications apart', () => {
  const stop = shadow('stop', 'forbid (principal, action, resource == App::"wiki");');
  const engine = engineOf({ policies: [everyone, stop], apps: [app(), app('wiki')] });
  expect(engine.decide(factsOf())).not.toHaveProperty('shadow');
  expect(engine.decide(factsOf({ app: app('wiki') })).shadow).toEqual(
    outcome(['stop'], { wouldDeny: ['stop'] }),
  );
});
