import { expect, it } from 'vitest';
import { checkPolicies } from '../../src/policy/check-policies.ts';
import { maxDepth, nestingOf } from '../../src/policy/nesting.ts';
import { allowed, app, engineOf, factsOf, policy } from '../policy/facts.ts';

/*
 * The attack: an administrator who may write policies, or a program that does, proposes one of three hundred brackets, or
 * of four hundred conditions joined by `||`, be it only to see the plan. Cedar recurses for each, its WebAssembly has a
 * fixed stack and no guard before it: the overflow wrote over its memory, and every later policy was answered with an
 * internal error. The longer chains passed the check of the control plane and broke the workers that compiled them.
 */
const context = { apps: [app()], groups: [], networks: ['finance'] };
const check = (cedar: string) => checkPolicies([policy('p', cedar)], context);
const when = (condition: string): string => `permit (principal, action, resource) when { ${condition} };`;
const path = 'context.request.path';

const shapes: Readonly<Record<string, (n: number) => string>> = {
  brackets: (n) => when('('.repeat(n) + 'true' + ')'.repeat(n)),
  negations: (n) => when('!('.repeat(n) + 'true' + ')'.repeat(n)),
  sets: (n) => when(`${'['.repeat(n)}${']'.repeat(n)} == ${'['.repeat(n)}${']'.repeat(n)}`),
  records: (n) => when('{a: '.repeat(n) + '1' + '}'.repeat(n) + ' == {a: 1}'),
  arguments: (n) => when('[true].contains('.repeat(n) + 'true' + ')'.repeat(n)),
  'conditions in brackets': (n) =>
    when('true == (if true then '.repeat(n) + 'true' + ' else true)'.repeat(n)),
  ors: (n) => when(`${path} like "/x*" || `.repeat(n) + 'true'),
  ands: (n) => when(`${path} like "/*" && `.repeat(n) + 'true'),
  sums: (n) => when(`${'0 + '.repeat(n)}1 == 1`),
  'else ifs': (n) => when(`if ${path} like "/x*" then false else `.repeat(n) + 'true'),
  ifs: (n) => when('if true then '.repeat(n) + 'true' + ' else false'.repeat(n)),
  attributes: (n) => when(`context${'.a'.repeat(n)} == 1`),
  indexes: (n) => when(`context${'["a"]'.repeat(n)} == 1`),
  calls: (n) => when(`ip("10.0.0.1")${'.isLoopback()'.repeat(n)} == true`),
  'brackets behind brackets that a text holds': (n) =>
    when(`"((((" == "" || ${'('.repeat(n)}true${')'.repeat(n)}`),
  'brackets that are never closed': (n) => `permit ${'('.repeat(n)}`,
};

it.each(Object.entries(shapes))(
  'keeps from Cedar what is too deep of %s, and takes the rest',
  (_what, of) => {
    let most = 1;
    while (most < 300 && nestingOf(of(most + 1)) <= maxDepth) most += 1;
    expect(most).toBeGreaterThan(20);
    expect(most).toBeLessThan(300);
    // The deepest that passes goes all the way: check, compilation, decision, explanation.
    const problems = check(of(most));
    const engine = engineOf({ policies: [policy('p', of(most))] });
    const { effect } = engine.decide(factsOf());
    expect(['allow', 'deny']).toContain(effect);
    expect(engine.explain(factsOf()).effect).toBe(effect);
    for (const n of [most + 1, 300, 5000])
      expect(check(of(n)), String(n)).toEqual([
        expect.objectContaining({ severity: 'error', message: expect.stringContaining('levels deep') }),
      ]);
    // And Cedar is as it was.
    expect(check(of(most))).toEqual(problems);
    expect(check(when('true'))).toEqual([]);
    expect(engineOf({ policies: [policy('p', when('true'))] }).decide(factsOf())).toEqual(allowed('p'));
  },
);

it('counts no brackets and operators in texts and comments, and no length that is not depth', () => {
  const names = Array.from({ length: 3000 }, (_, index) => `"/p${index}"`).join(', ');
  expect(check(when(`[${names}].contains(${path})`))).toEqual([]);
  expect(check(when(`${path} like "${'(|| '.repeat(400)}"`))).toEqual([]);
  expect(check(`// ${'(('.repeat(400)}\n${when('true')}`)).toEqual([]);
  expect(
    check(Array.from({ length: 400 }, () => when('true')).join('\n')).filter(
      ({ severity }) => severity === 'error',
    ),
  ).toEqual([]);
});
