import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { DeviceId } from '../../src/domain/ids.ts';
import { createPolicyEngine } from '../../src/policy/engine.ts';
import { device, stateOf } from './facts.ts';
import { askFullSet } from './oracle.ts';
import { accesses, apps, groups, policySets } from './random-policies.ts';

const devices = [
  device(),
  device({ id: 'laptop-2' as DeviceId, enrolledAt: device().enrolledAt + 1000 }),
  device({ id: 'laptop-3' as DeviceId, state: 'quarantined' }),
];

test('answers from the cache what it would answer without, for any policies and any accesses', () => {
  fc.assert(
    fc.property(policySets, fc.array(accesses, { minLength: 2, maxLength: 25 }), (policies, asked) => {
      const state = stateOf({ policies, apps, groups, devices });
      const cached = createPolicyEngine();
      const uncached = createPolicyEngine({ cache: false });
      cached.load(state);
      uncached.load(state);
      for (const facts of [...asked, ...asked]) {
        const decision = cached.decide(facts);
        expect(decision).toEqual(uncached.decide(facts));
        expect(cached.decide(facts)).toBe(decision);
      }
    }),
    { numRuns: 150 },
  );
});

test('answers from the slice of an application what Cedar says of the whole set, and less where a forbid fails', () => {
  let allows = 0;
  let quarantinedAllows = 0;
  let denials = 0;
  fc.assert(
    fc.property(policySets, fc.array(accesses, { minLength: 1, maxLength: 15 }), (policies, asked) => {
      const engine = createPolicyEngine();
      engine.load(stateOf({ policies, apps, groups, devices }));
      for (const facts of asked) {
        const own = devices.find(({ id }) => id === facts.subject.certificate.device) ?? device();
        const decision = engine.decide(facts);
        const failed = decision.effect === 'deny' && decision.reasons.includes('policy-error');
        const { allows: permitted, someFailed } = askFullSet(facts, policies, groups, own);
        // A sign-in may be what mends the forbid that failed; Cedar passes over it, and we ask for the sign-in.
        const isAskedForFailure = decision.effect === 'challenge' && someFailed;
        if (failed) expect(someFailed).toBe(true);
        else if (!isAskedForFailure) expect(decision.effect === 'allow').toBe(permitted);
        if (decision.effect === 'allow') allows++;
        else denials++;
        if (decision.effect === 'allow' && own.state === 'quarantined') quarantinedAllows++;
      }
    }),
    { numRuns: 150 },
  );
  // A generator that only ever denies would prove nothing.
  expect(Math.min(allows, denials)).toBeGreaterThan(50);
  expect(quarantinedAllows).toBeGreaterThan(5);
});

test('never names a policy whose scope is another application or network, nor a shadow one', () => {
  fc.assert(
    fc.property(policySets, accesses, (policies, facts) => {
      const engine = createPolicyEngine();
      engine.load(stateOf({ policies, apps, groups, devices }));
      for (const name of engine.decide(facts).policies) {
        const text = policies.find((each) => each.name === name);
        expect(text?.mode).not.toBe('shadow');
        const scopes = [...(text?.cedar ?? '').matchAll(/, (resource[^,)]*)\)/g)].map(([, scope]) => scope);
        expect(
          scopes.some(
            (scope) =>
              scope === 'resource' ||
              scope === 'resource is App' ||
              scope?.includes(`App::"${facts.app.name}"`) === true ||
              scope?.includes(`in Network::"${facts.app.network}"`) === true,
          ),
        ).toBe(true);
      }
    }),
    { numRuns: 150 },
  );
});
