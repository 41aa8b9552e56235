import { expect, test } from 'vitest';
import type { DeviceId } from '../../src/domain/ids.ts';
import type { Device } from '../../src/domain/device.ts';
import type { Policy } from '../../src/domain/resources.ts';
import { checkPolicies } from '../../src/policy/check-policies.ts';
import { allowed, denied, device, engineOf, factsOf, group, policy } from './facts.ts';
import type { FactParts, StateParts } from './facts.ts';

const camera = device({ id: 'd-camera' as DeviceId, role: 'machine' });
const cameraName = 'spiffe://example.org/device/d-camera';
const own = policy('cameras', 'permit (principal == Device::"d-camera", action, resource);');
const everyone = policy('everyone', 'permit (principal, action, resource);');

const asCamera = (parts: FactParts = {}) => factsOf({ device: 'd-camera', user: cameraName, ...parts });
const engine = (policies: readonly Policy[], parts: StateParts = {}) =>
  engineOf({ policies, devices: [device(), camera], ...parts });

test('allows a machine what a permit for machines says, by its id, its kind or its group', () => {
  const groups = [group('cameras', [cameraName])];
  for (const scope of [
    'principal == Device::"d-camera"',
    'principal in Device::"d-camera"',
    'principal is Device',
    'principal is Device in Group::"cameras"',
  ]) {
    const policies = [policy('p', `permit (${scope}, action, resource);`)];
    expect([scope, engine(policies, { groups }).decide(asCamera())]).toEqual([scope, allowed('p')]);
    // What is for machines is not for the people beside them.
    expect([scope, engine(policies, { groups }).decide(factsOf())]).toEqual([
      scope,
      denied(['no-policy-permits']),
    ]);
  }
  expect(
    engine([policy('p', 'permit (principal == Device::"d-robot", action, resource);')]).decide(asCamera()),
  ).toEqual(denied(['no-policy-permits']));
});

test('denies a machine what is permitted to everyone, or to a group that lists it: those are for users', () => {
  const groups = [group('cameras', [cameraName, 'alice@example.org'])];
  for (const each of [
    everyone,
    policy('users', 'permit (principal is User, action, resource);'),
    policy('group', 'permit (principal in Group::"cameras", action, resource);'),
    policy('named', `permit (principal == User::"${cameraName}", action, resource);`),
    policy('condition', 'permit (principal, action, resource) when { principal is Device };'),
  ])
    expect([each.name, engine([each], { groups }).decide(asCamera())]).toEqual([
      each.name,
      denied(['no-policy-permits']),
    ]);
  expect(engine([everyone]).decide(factsOf())).toEqual(allowed('everyone'));
});

test('lets every forbid hold against a machine', () => {
  const stop = policy('stop', 'forbid (principal, action, resource) when { context.request.path == "/x" };');
  expect(engine([own, stop]).decide(asCamera())).toEqual(allowed('cameras'));
  expect(engine([own, stop]).decide(asCamera({ path: '/x' }))).toEqual(denied(['policy-forbids'], 'stop'));
});

test('denies a machine under any name but its own, and a user under the name of a machine', () => {
  const policies = [own, everyone];
  const decide = (parts: FactParts) => engine(policies).decide(factsOf(parts));
  expect(decide({ device: 'd-camera', user: cameraName })).toEqual(allowed('cameras'));
  for (const user of [
    'alice@example.org',
    'd-camera',
    'spiffe://example.org/device/laptop-1',
    'spiffe://example.net/device/d-camera',
  ])
    expect([user, decide({ device: 'd-camera', user })]).toEqual([user, denied(['user-mismatch'])]);
  expect(decide({ user: cameraName })).toEqual(denied(['user-mismatch']));
  expect(decide({ user: 'spiffe://example.org/device/laptop-1' })).toEqual(denied(['user-mismatch']));
});

test('never asks a machine to sign in', () => {
  const policies = [
    policy('fresh', 'permit (principal is Device, action, resource) when { context.signIn.mfa };'),
    policy('users', 'permit (principal, action, resource) when { context.signIn.mfa };'),
  ];
  expect(engine(policies).decide(asCamera())).toEqual(denied(['no-policy-permits']));
  expect(engine(policies).decide(factsOf())).toMatchObject({ effect: 'challenge', missing: ['mfa'] });
});

test('keeps a machine in quarantine to what is opened to quarantined machines', () => {
  const quarantined: Device = { ...camera, state: 'quarantined' };
  const updates = policy(
    'updates',
    'permit (principal is Device, action, resource) when { context.device.state == "quarantined" };',
  );
  const forUsers = policy(
    'help-desk',
    'permit (principal, action, resource) when { context.device.state == "quarantined" };',
  );
  const devices = [quarantined];
  expect(engine([own, updates], { devices }).decide(asCamera())).toEqual(allowed('updates'));
  expect(engine([own, forUsers], { devices }).decide(asCamera())).toEqual(denied(['device-quarantined']));
});

test('tells machines apart in the cache, and them from users', () => {
  const robot = device({ id: 'd-robot' as DeviceId, role: 'machine' });
  const judged = engine([own, everyone], { devices: [device(), camera, robot] });
  const asRobot = factsOf({ device: 'd-robot', user: 'spiffe://example.org/device/d-robot' });
  for (let round = 0; round < 2; round++) {
    expect(judged.decide(asCamera())).toEqual(allowed('cameras'));
    expect(judged.decide(asRobot)).toEqual(denied(['no-policy-permits']));
    expect(judged.decide(factsOf())).toEqual(allowed('everyone'));
  }
});

test('explains why a permit is not for a machine', () => {
  const explained = engine([everyone, own]).explain(asCamera());
  expect(explained).toMatchObject({
    effect: 'allow',
    policies: [
      {
        name: 'cameras',
        satisfied: true,
      },
      {
        name: 'everyone',
        satisfied: false,
        explanation:
          'Does not apply: a permit lets a machine in only if its scope says so, as `principal is Device` does.',
      },
    ],
  });
});

test('has nothing against policies for machines, and something against what machines are not', () => {
  const check = (text: string) => checkPolicies([policy('p', text)], { apps: [], groups: [], networks: [] });
  expect(check('permit (principal is Device, action, resource);')).toEqual([]);
  expect(check('permit (principal == Device::"d-camera", action, resource);')).toEqual([]);
  expect(check('permit (principal is Camera, action, resource);')).toMatchObject([{ severity: 'error' }]);
});
