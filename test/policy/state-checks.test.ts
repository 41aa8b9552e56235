import { expect, test } from 'vitest';
import type { Device, DeviceState } from '../../src/domain/device.ts';
import type { DenialReason } from '../../src/domain/decision.ts';
import type { DeviceId, NetworkName } from '../../src/domain/ids.ts';
import { allowed, app, denied, device, engineOf, factsOf, now, policy, stateOf } from './facts.ts';
import type { FactParts } from './facts.ts';

const states: [DeviceState, DenialReason][] = [
  ['enrolled', 'posture-awaited'],
  ['quarantined', 'device-quarantined'],
  ['revoked', 'device-revoked'],
  ['lost', 'device-lost'],
];

test.each(states)('denies a device that is %s, whatever the policies say', (state, reason) => {
  const policies = [policy('everyone', 'permit (principal, action, resource);')];
  expect(engineOf({ policies }).decide(factsOf())).toEqual(allowed('everyone'));
  expect(engineOf({ policies, devices: [device({ state })] }).decide(factsOf())).toEqual(denied([reason]));
});

test.each(states)(
  'denies at once when a device becomes %s, though a decision was cached',
  (state, reason) => {
    const engine = engineOf();
    const facts = factsOf();
    expect(engine.decide(facts)).toEqual(allowed('finance-grants'));
    engine.load(stateOf({ devices: [device({ state })] }));
    expect(engine.decide(facts)).toEqual(denied([reason]));
    engine.load(stateOf());
    expect(engine.decide(facts)).toEqual(allowed('finance-grants'));
  },
);

test('denies a device that the ledger moved on from before the state was loaded anew', () => {
  const state = stateOf();
  const engine = engineOf();
  engine.load(state);
  expect(engine.decide(factsOf())).toEqual(allowed('finance-grants'));
  state.devices.set('laptop-1' as DeviceId, device({ state: 'revoked' }));
  expect(engine.decide(factsOf())).toEqual(denied(['device-revoked']));
});

const refusals: [string, DenialReason, FactParts, Partial<Device>][] = [
  ['an unknown device', 'device-unknown', { device: 'laptop-2' }, {}],
  [
    'a connector that asks as a laptop',
    'device-unknown',
    {},
    { role: 'connector', network: 'finance' as NetworkName },
  ],
  [
    'a certificate that is not on the books of the device',
    'certificate-unknown',
    { thumbprint: 'thumbprint-2' },
    {},
  ],
  ['a device without certificates', 'certificate-unknown', {}, { certificates: [] }],
  [
    'a certificate that expired under a flow',
    'certificate-unknown',
    {},
    { certificates: [{ serial: '0A', thumbprint: 'thumbprint-1', notAfter: now }] },
  ],
  ['a token of another device', 'user-mismatch', { tokenDevice: 'laptop-2' }, {}],
  ['a token that expired this second', 'token-expired', { expiresAt: now }, {}],
];

test.each(refusals)('denies %s: %s', (_title, reason, parts, changes) => {
  expect(engineOf().decide(factsOf())).toEqual(allowed('finance-grants'));
  expect(engineOf({ devices: [device(changes)] }).decide(factsOf(parts))).toEqual(denied([reason]));
});

test('allows until the second that the token expires, from one cached decision', () => {
  const engine = engineOf();
  const facts = factsOf({ expiresAt: now + 10 });
  expect(engine.decide({ ...facts, now: now + 9 })).toEqual(allowed('finance-grants'));
  expect(engine.decide({ ...facts, now: now + 10 })).toEqual(denied(['token-expired']));
});

test('accepts each certificate that a device has on the books, as in the days after a renewal', () => {
  const [first] = device().certificates;
  const second = { serial: '0B', thumbprint: 'thumbprint-2', notAfter: now + 90_000 };
  const engine = engineOf({ devices: [device({ certificates: [...(first ? [first] : []), second] })] });
  expect(engine.decide(factsOf())).toEqual(allowed('finance-grants'));
  expect(engine.decide(factsOf({ thumbprint: 'thumbprint-2' }))).toEqual(allowed('finance-grants'));
  expect(engine.decide(factsOf({ thumbprint: 'thumbprint-3' }))).toEqual(denied(['certificate-unknown']));
});

test('denies an application that is gone or defined otherwise by now, and allows one that only looks new', () => {
  const engine = engineOf();
  const sameInOtherOrder = Object.fromEntries(Object.entries(app()).reverse()) as ReturnType<typeof app>;
  expect(engine.decide(factsOf({ app: sameInOtherOrder }))).toEqual(allowed('finance-grants'));
  const moved = { ...app(), upstreams: ['http://10.0.0.9:8080'] };
  expect(engine.decide(factsOf({ app: moved }))).toEqual(denied(['application-removed']));
  expect(engine.decide(factsOf({ app: { ...app(), inspect: ['waf'] } }))).toEqual(
    denied(['application-removed']),
  );
  const facts = factsOf();
  expect(engine.decide(facts)).toEqual(allowed('finance-grants'));
  engine.load(stateOf({ apps: [] }));
  expect(engine.decide(facts)).toEqual(denied(['application-removed']));
});

test('names what is final before what can be mended', () => {
  const engine = engineOf({ devices: [device({ state: 'revoked', certificates: [] })] });
  expect(engine.decide(factsOf({ expiresAt: now - 1 }))).toEqual(denied(['device-revoked']));
});
