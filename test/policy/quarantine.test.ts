import { expect, test } from 'vitest';
import type { Policy } from '../../src/domain/resources.ts';
import { createPolicyEngine } from '../../src/policy/engine.ts';
import { allowed, app, denied, device, engineOf, factsOf, policy, stateOf } from './facts.ts';
import type { FactParts } from './facts.ts';

const open = 'context.device.state == "quarantined"';
const either = '["active", "quarantined"].contains(context.device.state)';
const permit = (name: string, condition?: string): Policy =>
  policy(
    name,
    `permit (principal, action, resource)${condition === undefined ? '' : ` when { ${condition} }`};`,
  );
const everyone = permit('everyone');
const stopped = policy('stop', 'forbid (principal, action, resource) when { context.request.path == "/x" };');

const decide = (state: 'active' | 'quarantined', policies: readonly Policy[], parts: FactParts = {}) =>
  engineOf({ policies, devices: [device({ state })] }).decide(factsOf(parts));

test('allows a quarantined device what a permit opens to it by name, and an active one only by others', () => {
  expect(decide('quarantined', [everyone, permit('help-desk', open)])).toEqual(allowed('help-desk'));
  expect(decide('active', [everyone, permit('help-desk', open)])).toEqual(allowed('everyone'));
  expect(decide('quarantined', [permit('help-desk', either)])).toEqual(allowed('help-desk'));
  expect(decide('active', [permit('help-desk', either)])).toEqual(allowed('help-desk'));
});

test('denies a quarantined device what was permitted without a thought of it', () => {
  const thoughtless = [
    everyone,
    permit('healthy', 'context.posture.diskEncrypted'),
    permit('known', 'context.device.id == "laptop-1" && context.device.role == "laptop"'),
    permit('whole', 'context.device == context.device'),
    permit('has', 'context.device has state'),
    permit('record', '{ state: "quarantined" }.state == "quarantined"'),
  ];
  for (const each of thoughtless) {
    expect([each.name, decide('active', [each])]).toEqual([each.name, allowed(each.name)]);
    expect([each.name, decide('quarantined', [each])]).toEqual([each.name, denied(['device-quarantined'])]);
  }
  expect(decide('quarantined', [permit('active-only', 'context.device.state == "active"')])).toEqual(
    denied(['device-quarantined', 'no-policy-permits']),
  );
});

test('lets every forbid hold against a quarantined device, also one that does not speak of it', () => {
  const policies = [permit('help-desk', open), stopped];
  expect(decide('quarantined', policies)).toEqual(allowed('help-desk'));
  expect(decide('quarantined', policies, { path: '/x' })).toEqual(
    denied(['device-quarantined', 'policy-forbids'], 'stop'),
  );
});

test('asks for all else that a permit for quarantined devices asks for, a sign-in too', () => {
  const policies = [permit('help-desk', `${open} && context.posture.diskEncrypted`)];
  expect(decide('quarantined', policies)).toEqual(allowed('help-desk'));
  expect(decide('quarantined', policies, { checks: { diskEncrypted: false } })).toEqual(
    denied(['device-quarantined', 'no-policy-permits']),
  );
  expect(
    decide('quarantined', [permit('updates', `${open} && context.signIn.ageSeconds < 60`)]),
  ).toMatchObject({ effect: 'challenge', missing: ['fresh-sign-in'] });
});

test('opens one application and no other', () => {
  const policies = [
    everyone,
    policy('help-desk', `permit (principal, action, resource == App::"help") when { ${open} };`),
  ];
  const engine = engineOf({
    policies,
    apps: [app(), app('help')],
    devices: [device({ state: 'quarantined' })],
  });
  expect(engine.decide(factsOf({ app: app('help') }))).toEqual(allowed('help-desk'));
  expect(engine.decide(factsOf())).toEqual(denied(['device-quarantined']));
});

test('shares no cached decision between a device in quarantine and the same device out of it', () => {
  const engine = createPolicyEngine();
  const policies = [everyone, permit('help-desk', open)];
  const active = stateOf({ policies });
  const quarantined = stateOf({ policies, devices: [device({ state: 'quarantined' })] });
  for (let round = 0; round < 2; round++) {
    engine.load(active);
    expect([engine.decide(factsOf()), engine.decide(factsOf())]).toEqual([
      allowed('everyone'),
      allowed('everyone'),
    ]);
    engine.load(quarantined);
    expect([engine.decide(factsOf()), engine.decide(factsOf())]).toEqual([
      allowed('help-desk'),
      allowed('help-desk'),
    ]);
  }
  // As the fold does it: the same state, with the device replaced, before the load that tells the engine.
  active.devices.set(device().id, device({ state: 'quarantined' }));
  engine.load(active);
  active.devices.set(device().id, device());
  expect(engine.decide(factsOf())).toEqual(allowed('everyone'));
});

test('puts a permit for quarantined devices into force, and out of it, at the load', () => {
  const devices = [device({ state: 'quarantined' })];
  const engine = engineOf({ policies: [everyone], devices });
  expect(engine.decide(factsOf())).toEqual(denied(['device-quarantined']));
  engine.load(stateOf({ policies: [everyone, permit('help-desk', open)], devices }));
  expect(engine.decide(factsOf())).toEqual(allowed('help-desk'));
  engine.load(stateOf({ policies: [everyone], devices }));
  expect(engine.decide(factsOf())).toEqual(denied(['device-quarantined']));
});

test('explains which permits have no say in quarantine, and what would change that', () => {
  const engine = engineOf({
    policies: [everyone, permit('help-desk', `${open} && context.posture.secureBoot`)],
    devices: [device({ state: 'quarantined' })],
  });
  expect(engine.explain(factsOf({ checks: { secureBoot: false } }))).toMatchObject({
    effect: 'deny',
    reasons: ['device-quarantined', 'no-policy-permits'],
    policies: [
      {
        name: 'everyone',
        satisfied: false,
        explanation:
          'Does not apply: the device is in quarantine, and this permit does not speak of `context.device.state`.',
      },
      {
        name: 'help-desk',
        satisfied: false,
        explanation:
          'Does not apply: `context.posture.secureBoot` does not hold: context.posture.secureBoot is false.',
      },
    ],
    wouldChange: [
      'Allowed if secureBoot were true (it is false).',
      'Allowed if the device were released from quarantine.',
    ],
  });
  expect(engine.explain(factsOf())).toMatchObject({ effect: 'allow', reasons: [] });
});
