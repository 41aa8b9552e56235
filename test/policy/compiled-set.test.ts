import { expect, test } from 'vitest';
import { compilePolicySet } from '../../src/policy/cedar.ts';
import type { CedarRequest, CompiledPolicySet } from '../../src/policy/cedar.ts';

const request: CedarRequest = {
  principal: { type: 'User', id: 'alice' },
  groups: [],
  app: 'grants',
  network: 'finance',
  context: {},
};
const compile = (text: string): CompiledPolicySet => {
  const set = compilePolicySet({ p: text });
  if ('problems' in set) throw new Error(JSON.stringify(set.problems));
  return set;
};

test('never answers from a set that was released, though another took its place', () => {
  const forbids = compile('forbid (principal, action, resource);');
  expect(forbids.authorize(request).allowed).toBe(false);
  forbids.release();
  const permits = compile('permit (principal, action, resource);');
  expect(permits.authorize(request)).toEqual({ allowed: true, determining: ['p'], errors: [] });
  expect(() => forbids.authorize(request)).toThrow('released');
  // A second release must not give the place away that is now another's.
  forbids.release();
  const other = compile('forbid (principal, action, resource);');
  expect([permits.authorize(request).allowed, other.authorize(request).allowed]).toEqual([true, false]);
  permits.release();
  other.release();
});

test('says what is wrong with a set that does not compile, and compiles the next', () => {
  expect(compilePolicySet({ p: 'permit (principal' })).toEqual({
    problems: [
      expect.objectContaining({ message: expect.stringMatching(/unexpected end of input/) as unknown }),
    ],
  });
  expect(compile('permit (principal, action, resource);').authorize(request).allowed).toBe(true);
});
