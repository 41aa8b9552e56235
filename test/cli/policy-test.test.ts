import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { financeGroup, financeNetwork, grantsApp, policyResource, startPolicyLab } from './policy-lab.ts';
import type { PolicyLab } from './policy-lab.ts';
import type { Run } from './run-postern.ts';
import { runPostern } from './run-postern.ts';

// Each test starts several processes, and a busy machine takes its time.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

const example = (name: string): string =>
  fileURLToPath(new URL(`../../deploy/examples/${name}`, import.meta.url));

let lab: PolicyLab;
beforeAll(async () => {
  lab = await startPolicyLab();
  await lab.apply([
    financeNetwork,
    grantsApp,
    financeGroup,
    { kind: 'Group', name: 'directors', members: { claim: 'groups', value: 'direction' } },
    policyResource(
      'finance-grants',
      'permit (principal in Group::"finance", action, resource == App::"grants") when { context.posture.diskEncrypted };',
    ),
    policyResource(
      'directors-grants',
      'permit (principal in Group::"directors", action, resource) when { context.signIn.ageSeconds < 300 && context.request.method == "GET" && context.source.address.isInRange(ip("10.0.0.0/8")) && context.now < datetime("2027-01-01") && context.device.enrolledAgeSeconds > 100 };',
    ),
  ]);
});
afterAll(() => lab.close());

const test = async (cases: string, more: readonly string[] = []): Promise<Run> =>
  lab.run(['policy', 'test', await lab.file('cases.yaml', cases), ...more]);

it('runs the example, whose cases all come out as they say', async () => {
  const args = [
    'policy',
    'test',
    example('policy-tests/two-networks.yaml'),
    '--policies',
    example('two-networks.yaml'),
    '--offline',
  ];
  expect(await runPostern(args)).toEqual({ code: 0, err: '', out: '✓ 7 case(s), all as expected.\n' });
});

it('asks what the server has, and explains each surprise at its place', async () => {
  const run = await test(`defaults: { user: alice@example.org, app: grants, posture: { diskEncrypted: true } }
cases:
  - { name: healthy, expect: allow, policies: [finance-grants] }
  - name: in the clear
    posture: { diskEncrypted: false }
    expect: allow
  - { name: someone else, user: bob@example.org, expect: deny, reasons: [no-policy-permits], policies: [] }
  - { name: decided by another, expect: allow, policies: [directors-grants] }
`);
  expect(run.code).toBe(1);
  expect(run.out).toContain(
    '✗ /cases.yaml:4: in the clear: expected allow, got deny\n    because: no-policy-permits\n',
  );
  expect(run.out).toContain(
    '· finance-grants (permit): Does not apply: `context.posture.diskEncrypted` does not hold: context.posture.diskEncrypted is false.',
  );
  expect(run.out).toContain('expected the policies directors-grants to decide, got finance-grants');
  expect(run.out).toContain('✗ 2 of 4 case(s) came out otherwise.\n');
});

const director =
  '{ user: dora@example.org, app: grants, claims: [{ claim: groups, value: direction }], signIn: { ageSeconds: 20 }, request: { source: 10.1.2.3 }, at: 2026-11-26T08:30:00Z }';
it.each([
  ['as it is', '', 'allow'],
  ['without the claim', 'claims: [], ', 'deny'],
  ['with the group given', 'claims: [], groups: [directors], ', 'allow'],
  ['signed in long ago', 'signIn: { ageSeconds: 301 }, ', 'challenge'],
  ['never signed in', 'signIn: { missing: true }, ', 'challenge'],
  ['by another method', 'request: { method: PUT }, ', 'deny'],
  ['from elsewhere', 'request: { source: 192.0.2.1 }, ', 'deny'],
  ['next year', 'at: 2027-01-01T00:00:00Z, ', 'deny'],
  ['on a laptop that was just enrolled', 'device: { enrolledAgeSeconds: 100 }, ', 'deny'],
  ['on a revoked laptop', 'device: { state: revoked }, ', 'deny'],
])('judges each part of a situation: %s', async (_title, change, expected) => {
  const judged = await test(`defaults: ${director}\ncases: [{ name: c, ${change}expect: ${expected} }]\n`, [
    '-o',
    'json',
  ]);
  expect(JSON.parse(judged.out)).toMatchObject({ cases: [{ effect: expected, surprises: [] }] });
  expect(judged.code).toBe(0);
});

it('lays a proposal over what the server has, and takes files alone when told so', async () => {
  const cases = 'cases: [{ name: bob, user: bob@example.org, app: grants, expect: allow }]\n';
  expect(await test(cases)).toMatchObject({ code: 1 });
  const proposal = await lab.file(
    'proposal.yaml',
    'kind: Policy\nname: everyone\ncedar: permit (principal, action, resource);\n',
  );
  expect(await test(cases, ['--policies', proposal])).toMatchObject({ code: 0 });
  const alone = await test(cases, ['--policies', proposal, '--offline']);
  expect(alone).toMatchObject({ code: 2, out: '' });
  expect(alone.err).toContain('/cases.yaml:1: app: there is no app grants');
});

it.each([
  ['half a file', 'cases: [{ name: x', /^\/cases\.yaml:\d+: /],
  [
    'a key that is unknown',
    'cases:\n  - name: x\n    usr: alice\n    app: grants\n    expect: deny\n',
    /^\/cases\.yaml:3: .*usr/,
  ],
  [
    'an expectation that is none',
    'cases:\n  - name: x\n    expect: maybe\n',
    /^\/cases\.yaml:3: cases\[0\]\.expect: must be one of allow, deny, challenge/,
  ],
  [
    'an unknown app',
    'cases:\n  - name: x\n    user: a@b\n    app: grant\n    expect: deny\n',
    /^\/cases\.yaml:4: app: there is no app grant/,
  ],
  [
    'an unknown group',
    'cases:\n  - name: x\n    user: a@b\n    app: grants\n    groups: [finances]\n    expect: deny\n',
    /^\/cases\.yaml:5: groups: there is no group finances/,
  ],
  [
    'nobody who asks',
    'cases:\n  - name: x\n    app: grants\n    expect: deny\n',
    /^\/cases\.yaml:2: user: x: no user is given/,
  ],
  [
    'a day that is none',
    'cases:\n  - name: x\n    user: a@b\n    app: grants\n    at: 2026-02-31T25:00:00Z\n    expect: deny\n',
    /^\/cases\.yaml:5: at: there is no such time/,
  ],
  ['no cases', 'cases: []\n', /^\/cases\.yaml:1: cases: needs at least 1 of a list/],
])('refuses %s, with its line', async (_title, text, message) => {
  const run = await test(text);
  expect(run.code).toBe(2);
  expect(run.out).toBe('');
  expect(run.err).toMatch(message);
});

it('does not judge by policies that could not be applied', async () => {
  const broken = await lab.file(
    'broken.yaml',
    'kind: Policy\nname: broken\ncedar: permit (principal, action, resource == App::"gone");\n',
  );
  const run = await test('cases: [{ name: x, user: a@b, app: grants, expect: deny }]\n', [
    '--policies',
    broken,
  ]);
  expect(run.code).toBe(2);
  expect(run.err).toMatch(/\/broken\.yaml:3: .*policy broken: there is no App::"gone"/);
});

it('judges machines as themselves, by policies about devices, and takes no user on one for a slip of the pen', async () => {
  const cedar = 'permit (principal is Device, action, resource == App::"grants");';
  const policies = await lab.file('machines.yaml', `kind: Policy\nname: cameras\ncedar: '${cedar}'\n`);
  const cases = (user: string) =>
    lab.file(
      'machine-cases.yaml',
      `defaults: { user: bob@example.org, app: grants }
cases:
  - { name: a camera, ${user}device: { role: machine }, expect: allow, policies: [cameras] }
  - { name: a camera in quarantine, device: { role: machine, state: quarantined }, expect: deny }
  - { name: somebody who is in no group, expect: deny }
`,
    );
  const test = async (user: string) => lab.run(['policy', 'test', await cases(user), '--policies', policies]);
  expect(await test('')).toMatchObject({ code: 0, err: '' });
  const both = await test('user: alice@example.org, ');
  expect(both).toMatchObject({ code: 2, out: '' });
  expect(both.err).toContain(':3: user: a camera: nobody signs in on a machine; leave the user out');
});
