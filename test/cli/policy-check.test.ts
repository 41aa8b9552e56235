import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { financeGroup, financeNetwork, grantsApp, policyResource, startPolicyLab } from './policy-lab.ts';
import type { PolicyLab } from './policy-lab.ts';
import type { Run } from './run-postern.ts';

// Each test starts several processes, and a busy machine takes its time.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

let lab: PolicyLab;
beforeAll(async () => {
  lab = await startPolicyLab();
  await lab.apply([
    financeNetwork,
    grantsApp,
    financeGroup,
    policyResource('finance-all', 'permit (principal in Group::"finance", action, resource);'),
  ]);
});
afterAll(() => lab.close());

const check = async (text: string, { name = 'policy.yaml', more = [] as string[] } = {}): Promise<Run> =>
  lab.run(['policy', 'check', await lab.file(name, text), ...more]);

const grants = `kind: Policy
name: finance-grants
cedar: |
  permit (principal in Group::"finance", action, resource == App::"grants")
  when { context.posture.diskEncrypted };
`;

it('knows the names of the server, and says when one of its policies makes this one pointless', async () => {
  expect(await check(grants)).toEqual({
    code: 0,
    err: '',
    out: `warning: /policy.yaml:4: cedar: changes nothing: policy finance-all permits all that it permits
No errors found.
`,
  });
  const unknown = await check(grants.replace('App::"grants"', 'App::"grant"'));
  expect(unknown).toMatchObject({
    code: 1,
    out: 'error: /policy.yaml:4: cedar: there is no App::"grant"\n',
  });
});

it('holds a plain Cedar file to the names of the server', async () => {
  const cedar = 'permit (principal in Group::"financ", action, resource == App::"grants");';
  const found = await check(cedar, { name: 'one.cedar' });
  expect(found).toMatchObject({ code: 1, out: 'error: /one.cedar:1: there is no Group::"financ"\n' });
  expect(await check(cedar, { name: 'one.cedar', more: ['--offline'] })).toMatchObject({ code: 0 });
});

it('asks no server when told so, and says so when one that it knows cannot be reached', async () => {
  const offline = await check(grants, { more: ['--offline'] });
  expect(offline).toMatchObject({ code: 1 });
  expect(offline.out).toContain('error: /policy.yaml:4: cedar: there is no App::"grants"');
  const away = await check(grants, { more: ['--server', 'https://127.0.0.1:1'] });
  expect(away).toMatchObject({ code: 3, out: '' });
  expect(away.err).toContain('nothing listens at https://127.0.0.1:1');
});

it.each([
  ['half a document', 'kind: Policy\nname: x\ncedar: [', /^\/policy\.yaml:3: /, 2],
  ['a policy without its text', 'kind: Policy\nname: x\n', /^\/policy\.yaml:1: `cedar` is missing/, 2],
  [
    'a policy that does not type-check',
    'kind: Policy\nname: x\ncedar: |\n  permit (principal, action, resource)\n  when { context.posture.ageSeconds < "600" };\n',
    /^error: \/policy\.yaml:5: cedar: .*expected Long but saw String/,
    1,
  ],
])('names the line of %s', async (_title, text, message, code) => {
  const found = await check(text);
  expect(found.code).toBe(code);
  expect(found.out + found.err).toMatch(message);
});

it('knows all that the server has, however many pages it takes', async () => {
  const many = Array.from({ length: 1100 }, (_, n) => ({ ...financeGroup, name: `group-${n}` }));
  await lab.apply(many);
  for (const name of ['group-0', 'group-1099', 'group-999'])
    expect(await check(grants.replace('Group::"finance"', `Group::"${name}"`))).toMatchObject({ code: 0 });
});
