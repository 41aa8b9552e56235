import { checkParseContext, checkParseSchema } from '@cedar-policy/cedar-wasm/nodejs';
import { expect, test } from 'vitest';
import { noSignIn } from '../../src/policy/policy-inputs.ts';
import type { PolicyInputs } from '../../src/policy/policy-inputs.ts';
import { buildContext, contextLeaves } from '../../src/policy/context-leaves.ts';
import { cedarSchema } from '../../src/policy/schema.ts';
import { device, factsOf, now } from './facts.ts';

const inputs = (posture: 'given' | 'missing'): PolicyInputs => ({
  user: 'alice@example.org',
  groups: [],
  device: device(),
  posture: posture === 'given' ? factsOf().subject.token.posture : undefined,
  signIn: posture === 'given' ? { at: now - 60, mfa: true } : noSignIn,
  request: factsOf().request,
  now,
  vouchedAt: now,
});
const action = { type: 'Action', id: 'access' };
const leaves = Object.keys(contextLeaves);

test('is a schema that Cedar reads', () => {
  expect(checkParseSchema(cedarSchema)).toEqual({ type: 'success' });
  expect(checkParseSchema(`${cedarSchema} entity`)).toMatchObject({ type: 'failure' });
});

test.each(['given', 'missing'] as const)(
  'promises exactly the context that is built, with a posture %s',
  (posture) => {
    const whole = buildContext(leaves, inputs(posture));
    const accepts = (context: typeof whole) =>
      checkParseContext({ context, schema: cedarSchema, action }).type;
    expect(accepts(whole)).toBe('success');
    for (const leaf of leaves) {
      const without = leaves.filter((other) => other !== leaf);
      expect([leaf, accepts(buildContext(without, inputs(posture)))]).toEqual([leaf, 'failure']);
    }
    expect(accepts({ ...whole, extra: true })).toBe('failure');
  },
);
