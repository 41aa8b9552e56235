/*
 * Gateways that judged a connection at its start, or remembered a judgement for some minutes, went on serving laptops
 * that had been revoked, users who had been taken out of a group and postures that had turned bad (pomerium#1279,
 * ziti#4322, netbird#4716, firezone#9892). The thief of a laptop needs only to keep a connection open.
 *
 * Every decision here is asked for twice before the change, so that it is cached, and once after it, with the very
 * same objects as before: whatever the caller kept, the answer must be that of the new state.
 */
import { expect, test } from 'vitest';
import {
  allowed,
  app,
  contractPolicy,
  denied,
  device,
  engineOf,
  factsOf,
  group,
  now,
  policy,
  stateOf,
} from '../policy/facts.ts';
import type { StateParts } from '../policy/facts.ts';

const changes: [string, StateParts, ReturnType<typeof denied>][] = [
  ['the device is revoked', { devices: [device({ state: 'revoked' })] }, denied(['device-revoked'])],
  ['the device is reported lost', { devices: [device({ state: 'lost' })] }, denied(['device-lost'])],
  [
    'the device is quarantined',
    { devices: [device({ state: 'quarantined' })] },
    denied(['device-quarantined']),
  ],
  ['the device is forgotten', { devices: [] }, denied(['device-unknown'])],
  [
    'the certificate leaves the books',
    { devices: [device({ certificates: [] })] },
    denied(['certificate-unknown']),
  ],
  ['the user leaves the group', { groups: [group('finance', [])] }, denied(['no-policy-permits'])],
  ['the group goes', { groups: [] }, denied(['no-policy-permits'])],
  ['the policy goes', { policies: [] }, denied(['no-policy-permits'])],
  [
    'the policy becomes a shadow',
    { policies: [policy('finance-grants', contractPolicy, 'shadow')] },
    denied(['no-policy-permits']),
  ],
  [
    'a forbid comes',
    {
      policies: [
        policy('finance-grants', contractPolicy),
        policy('stop', 'forbid (principal, action, resource);'),
      ],
    },
    denied(['policy-forbids'], 'stop'),
  ],
  [
    'a policy comes that cannot be read',
    { policies: [policy('finance-grants', contractPolicy), policy('stop', 'forbid (principal')] },
    denied(['policy-error'], 'stop'),
  ],
  ['the application goes', { apps: [] }, denied(['application-removed'])],
  [
    'the application moves to another network',
    { apps: [app('grants', 'people')] },
    denied(['application-removed']),
  ],
];

test.each(changes)('denies what was allowed and cached once %s', (_title, change, expected) => {
  const engine = engineOf();
  const facts = factsOf();
  expect([engine.decide(facts), engine.decide(facts)]).toEqual([
    allowed('finance-grants'),
    allowed('finance-grants'),
  ]);
  engine.load(stateOf(change));
  expect(engine.decide(facts)).toMatchObject(expected);
  engine.load(stateOf());
  expect(engine.decide(facts)).toEqual(allowed('finance-grants'));
});

test('denies what was allowed and cached once time has passed, without any load', () => {
  const engine = engineOf();
  const facts = factsOf({ expiresAt: now + 3600 });
  expect([engine.decide(facts), engine.decide(facts)]).toEqual([
    allowed('finance-grants'),
    allowed('finance-grants'),
  ]);
  expect(engine.decide({ ...facts, now: now + 540 })).toEqual(denied(['no-policy-permits', 'posture-stale']));
  expect(engine.decide({ ...facts, now: now + 3600 })).toEqual(denied(['token-expired']));
  expect(engine.decide(facts)).toEqual(allowed('finance-grants'));
});

test('denies what was allowed and cached once the token in force says a worse posture', () => {
  const engine = engineOf();
  expect(engine.decide(factsOf())).toEqual(allowed('finance-grants'));
  expect(engine.decide(factsOf({ checks: { diskEncrypted: 'unknown' } }))).toEqual(
    denied(['no-policy-permits', 'posture-unknown']),
  );
  expect(engine.decide(factsOf({ checks: { diskEncrypted: false } }))).toEqual(denied(['no-policy-permits']));
  expect(engine.decide(factsOf())).toEqual(allowed('finance-grants'));
});
