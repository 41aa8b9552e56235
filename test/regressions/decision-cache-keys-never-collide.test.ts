/*
 * A proxy library kept a cache of upstream addresses under a key that it made by joining two strings
 * (@fastify/reply-from, GHSA-v574-6498-x57v). An attacker chose a path that moved the seam between the two, so that
 * a request came out under the key of another, and went where that one was allowed to go. A cache of access decisions
 * with such a key is worse: the user, the path and the posture of one request would pass for those of another.
 *
 * Here the attacker has a request that is denied, and bends what he controls of it (the path, his name as he was
 * enrolled, the version that his agent reports) so that, joined by any separator, it reads like one that is allowed
 * and cached.
 */
import { expect, test } from 'vitest';
import { createPolicyEngine } from '../../src/policy/engine.ts';
import { allowed, denied, engineOf, factsOf, policy, stateOf } from '../policy/facts.ts';

const policies = [
  policy(
    'exact',
    `permit (principal == User::"alice", action, resource) when {
       context.request.method == "GET" && context.request.path == "/a" &&
       context.posture.os == "linux" && context.posture.osVersion == "13" };`,
  ),
];
const good = { user: 'alice', method: 'GET', path: '/a', posture: { os: 'linux', osVersion: '13' } };
const separators = [
  '',
  ' ',
  ',',
  '","',
  '|',
  ':',
  '/',
  '\n',
  '\u0000',
  '\u001f',
  '#',
  '&',
  '[object Object]',
];

test.each(separators.map((separator) => [JSON.stringify(separator), separator]))(
  'denies a request that only reads like an allowed one when its parts are joined by %s',
  (_shown, joint) => {
    const engine = engineOf({ policies });
    expect(engine.decide(factsOf(good))).toEqual(allowed('exact'));
    const bent = [
      { ...good, method: 'GE', path: `T${joint}/a` },
      { ...good, method: `GET${joint}/a`, path: '' },
      { ...good, method: '', path: `GET${joint}/a` },
      { ...good, user: `alice${joint}GET`, method: '/a', path: 'linux' },
      { ...good, posture: { os: 'linux1', osVersion: '3' } },
      { ...good, posture: { os: `linux${joint}13`, osVersion: '' } },
      { ...good, posture: { os: '', osVersion: `linux${joint}13` } },
    ];
    for (const parts of bent) {
      expect([parts, engine.decide(factsOf(parts))]).toEqual([parts, denied(['no-policy-permits'])]);
    }
    expect(engine.decide(factsOf(good))).toEqual(allowed('exact'));
  },
);

test('denies a user whose name is that of a group, or of two users in one', () => {
  const engine = createPolicyEngine();
  engine.load(
    stateOf({
      policies: [
        policy('member', 'permit (principal in Group::"finance", action, resource);'),
        policy('zoe', 'permit (principal == User::"zoe", action, resource);'),
      ],
    }),
  );
  expect(engine.decide(factsOf())).toEqual(allowed('member'));
  expect(engine.decide(factsOf({ user: 'zoe' }))).toEqual(allowed('zoe'));
  for (const user of ['finance', '["finance"]', 'Group::"finance"', 'zoe,finance', 'zoe"', '__proto__']) {
    expect([user, engine.decide(factsOf({ user }))]).toEqual([user, denied(['no-policy-permits'])]);
  }
});
