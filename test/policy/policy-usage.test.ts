import { expect, test } from 'vitest';
import { parsePolicyText } from '../../src/policy/cedar.ts';
import { contextLeaves } from '../../src/policy/context-leaves.ts';
import { usageOf } from '../../src/policy/policy-usage.ts';
import type { PolicyUsage } from '../../src/policy/policy-usage.ts';
import { contractPolicy } from './facts.ts';

const usage = (text: string): PolicyUsage => {
  const parsed = parsePolicyText(text);
  const json = parsed.ok ? parsed.policies[0]?.json : undefined;
  if (json === undefined) throw new Error(`not a policy: ${text}`);
  return usageOf(json);
};
const when = (condition: string): PolicyUsage =>
  usage(`permit (principal, action, resource) when { ${condition} };`);
const everyLeaf = new Set(Object.keys(contextLeaves));

test("sees in the contract's example a group, one criterion and one limit of age", () => {
  expect(usage(contractPolicy)).toEqual({
    user: false,
    groups: new Set(['finance']),
    leaves: new Set(['posture.diskEncrypted', 'posture.ageSeconds']),
    times: new Map([['postureAge', new Set([600])]]),
  });
});

test.each([
  ['principal == User::"a"', true, new Set()],
  ['principal in Group::"g"', false, new Set(['g'])],
  ['principal in [Group::"g", Group::"h"]', false, new Set(['g', 'h'])],
  ['principal is User in Group::"g"', false, new Set(['g'])],
  ['principal is User', false, new Set()],
  ['principal in resource', true, 'all'],
  ['principal == principal', true, 'all'],
  ['[principal].contains(User::"a")', true, 'all'],
])('sees who matters in %s', (condition, user, groups) => {
  expect(when(condition)).toMatchObject({ user, groups });
});

test.each([
  ['context["posture"]["os"] == "x"', ['posture.os']],
  ['context.posture has os', ['posture.os']],
  ['context has posture.os', ['posture.os']],
  [
    'if context.posture.os == "x" then context.request.path == "/" else context.device.id == "d"',
    ['posture.os', 'request.path', 'device.id'],
  ],
  ['{ Value: context.request.method }.Value == "GET"', ['request.method']],
  ['{ Var: context.request.method }.Var == "GET"', ['request.method']],
  ['[context.request.method].contains("GET")', ['request.method']],
  ['!(context.request.path like "/a*")', ['request.path']],
  ['context.request == { method: "GET" }', ['request.method', 'request.path', 'request.host']],
])('sees which attributes matter in %s', (condition, leaves) => {
  expect(when(condition)).toMatchObject({ leaves: new Set(leaves), times: new Map() });
});

test.each([
  'context == context',
  '{ a: context }.a.posture.os == "x"',
  '(if true then context else context).posture.os == "x"',
  'context.unheard == 1',
  'context["posture.os"] == "x"',
  'context.posture.os.deeper == "x"',
])('counts everything where it cannot tell, as in %s', (condition) => {
  expect(when(condition).leaves).toEqual(everyLeaf);
});

test.each([
  ['context.posture.ageSeconds + 1 < 600', 'postureAge'],
  ['context.posture.ageSeconds < 9223372036854775807', 'postureAge'],
  ['context.posture.ageSeconds < context.device.enrolledAgeSeconds', 'postureAge'],
  ['[context.posture.ageSeconds].contains(60)', 'postureAge'],
  ['context.posture == context.posture', 'postureAge'],
  ['context.now.offset(duration("1h")) < datetime("2030-01-01")', 'now'],
  ['context.now.toDate() == datetime("2030-01-01")', 'now'],
] as const)('takes any second to matter in %s', (condition, dimension) => {
  expect(when(condition).times.get(dimension)).toBe('raw');
});
