import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { financeGroup, financeNetwork, grantsApp, policyResource, startPolicyLab } from './policy-lab.ts';
import type { PolicyLab } from './policy-lab.ts';

// Each test starts several processes, and a busy machine takes its time.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

const strict = `permit (principal in Group::"finance", action, resource == App::"grants")
when { context.posture.diskEncrypted };
`;
const loose = strict.replace('context.posture.diskEncrypted', 'true');

let lab: PolicyLab;
let first: string;
let second: string;
beforeAll(async () => {
  lab = await startPolicyLab();
  first = await lab.apply([
    financeNetwork,
    grantsApp,
    financeGroup,
    policyResource('finance-grants', strict),
  ]);
  second = await lab.apply([
    policyResource('finance-grants', loose),
    policyResource('everyone', 'permit (principal, action, resource) when { context.posture.secureBoot };'),
  ]);
});
afterAll(() => lab.close());

it('lists who changed what, and the version that it made', async () => {
  const { code, out } = await lab.run(['policy', 'history']);
  expect(code).toBe(0);
  const [titles, newest, oldest] = out.split('\n');
  expect(titles).toMatch(/^VERSION +WHEN +WHO +WHAT$/);
  expect(newest).toMatch(
    new RegExp(`^${second} +\\S+ \\S+ +api-key:admin +update policy finance-grants, create policy everyone$`),
  );
  expect(oldest).toMatch(
    new RegExp(
      `^${first} .*create network finance, create group finance, create policy finance-grants and 1 more$`,
    ),
  );
  const json = await lab.run(['policy', 'history', '--before', second.split('-')[0] ?? '', '-o', 'json']);
  expect(JSON.parse(json.out)).toMatchObject([{ version: first, actor: 'api-key:admin', changeCount: 4 }]);
});

it('shows what two versions have differently, line by line, and says so by its exit code', async () => {
  const { code, out } = await lab.run(['policy', 'diff', first]);
  expect(code).toBe(1);
  expect(out).toBe(
    `--- /dev/null
+++ policy/everyone\tnow
@@ -0,0 +1,3 @@
+kind: Policy
+name: everyone
+cedar: permit (principal, action, resource) when { context.posture.secureBoot };
--- policy/finance-grants\t${first}
+++ policy/finance-grants\tnow
@@ -1,5 +1,5 @@
 kind: Policy
 name: finance-grants
 cedar: |
   permit (principal in Group::"finance", action, resource == App::"grants")
-  when { context.posture.diskEncrypted };
+  when { true };
`.replaceAll('\t', ' '),
  );
  expect(await lab.run(['policy', 'diff', second])).toEqual({
    code: 0,
    err: '',
    out: `No difference between ${second} and now.\n`,
  });
  const back = await lab.run(['policy', 'diff', second, first, '-o', 'json']);
  expect(back.code).toBe(1);
  expect(JSON.parse(back.out)).toMatchObject({
    from: second,
    to: first,
    differences: [
      { action: 'delete', kind: 'Policy', name: 'everyone' },
      { action: 'update', kind: 'Policy', name: 'finance-grants', after: { cedar: strict } },
    ],
  });
});

it('compares files with what there is as apply would, and as the whole truth when told so', async () => {
  const file = await lab.file(
    'group.yaml',
    'kind: Group\nname: finance\nmembers: [alice@example.org, bob@example.org]\n',
  );
  const { code, out } = await lab.run(['policy', 'diff', 'now', file]);
  expect(code).toBe(1);
  expect(out).toContain('+  - bob@example.org');
  expect(out).not.toContain('policy/');
  const whole = await lab.run(['policy', 'diff', 'now', file, '--prune']);
  expect(whole.out).toContain('--- policy/everyone');
  const same = await lab.file('same.yaml', 'members: [alice@example.org]\nname: finance\nkind: Group\n');
  expect(await lab.run(['policy', 'diff', 'now', same])).toMatchObject({ code: 0 });
});

it.each([
  ['a version that never was', ['policy', 'diff', '999999'], 2, /Not found: version 999999/],
  ['a version of another ledger', ['policy', 'diff', '3-00000000'], 2, /Not found: version 3-00000000/],
  ['a file that is none', ['policy', 'diff', 'nothing.yaml'], 2, /nothing\.yaml: does not exist/],
  ['a number that is none', ['policy', 'history', '--limit', 'x'], 2, /whole number above zero/],
  ['a rollback to what never was', ['policy', 'rollback', '0'], 2, /Not found: version 0/],
])('refuses %s', async (_title, args, code, message) => {
  const run = await lab.run(args);
  expect(run.code).toBe(code);
  expect(run.err).toMatch(message);
});

it('rolls the policies back as a new version, after showing the plan', async () => {
  const head = lab.control.store.state.head.sequence;
  const plan = await lab.run(['policy', 'rollback', first, '--dry-run']);
  expect(plan).toEqual({
    code: 0,
    err: '',
    out: '~ update    policy finance-grants\n- delete    policy everyone\nPlan: 0 created, 1 updated, 1 deleted, 0 unchanged. Nothing was changed.\n',
  });
  expect(lab.control.store.state.head.sequence).toBe(head);
  const done = await lab.run(['policy', 'rollback', first]);
  expect(done.code).toBe(0);
  expect(done.out).toMatch(/^Applied as version \d+-[0-9a-f]{8}: /m);
  expect([...lab.control.store.state.policies.keys()]).toEqual(['finance-grants']);
  expect(await lab.run(['policy', 'diff', first])).toMatchObject({ code: 0 });
});

it('does not roll back to policies that speak of what is gone, and changes nothing then', async () => {
  const version = await lab.apply([policyResource('finance-grants', strict)]);
  await lab.apply(
    [
      financeNetwork,
      financeGroup,
      policyResource('other', 'permit (principal in Group::"finance", action, resource);'),
    ],
    {
      prune: true,
    },
  );
  const { head } = lab.control.store.state;
  const refused = await lab.run(['policy', 'rollback', version]);
  expect(refused.code).toBe(2);
  expect(refused.err).toContain('Policy finance-grants: cedar line 1: there is no App::"grants"');
  expect(lab.control.store.state.head).toEqual(head);
});
