import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { financeNetwork, grantsApp, policyResource, startPolicyLab } from './policy-lab.ts';
import type { PolicyLab } from './policy-lab.ts';
import type { Run } from './run-postern.ts';

// Each test starts several processes, and a busy machine takes its time.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

let lab: PolicyLab;
let device: string;
beforeAll(async () => {
  lab = await startPolicyLab();
  await lab.apply([
    financeNetwork,
    grantsApp,
    { kind: 'Group', name: 'directors', members: { claim: 'groups', value: 'direction' } },
    policyResource(
      'directors-grants',
      'permit (principal in Group::"directors", action, resource == App::"grants");',
    ),
  ]);
  ({ device } = await lab.control.enroll('dora@example.org'));
  await lab.control.ask('POST', `/v1/devices/${device}/state`, { body: { state: 'active', reason: 'test' } });
});
afterAll(() => lab.close());

const why = (...more: string[]): Promise<Run> =>
  lab.run(['why', '--user', 'dora@example.org', '--device', device, '--app', 'grants', ...more]);

it('judges with the claims that are given, and says which groups it could not know without', async () => {
  const without = await why();
  expect(without.code).toBe(1);
  expect(without.out).toContain(
    'without the groups that go by claims of the identity provider (directors): give --claim NAME=VALUE',
  );
  const given = await why('--claim', 'groups=staff', 'groups=direction');
  expect(given).toMatchObject({ code: 0, err: '' });
  expect(given.out).toContain('✓ directors-grants (permit)');
  expect(given.out).not.toContain('--claim');
  expect(await why('--claim', 'direction')).toMatchObject({ code: 2, out: '' });
});
