import { chmod, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { makeInstallation } from '../control/installation.ts';
import type { Installation } from '../control/installation.ts';
import { runPostern } from './run-postern.ts';

// Each test starts several processes, and a busy machine takes its time.
vi.setConfig({ testTimeout: 90_000 });

let made: Installation;
beforeEach(async () => {
  made = await makeInstallation();
});
afterEach(() => made.remove());

interface Report {
  readonly healthy: boolean;
  readonly findings: readonly { readonly check: string }[];
}
const reportOf = (out: string): Report => JSON.parse(out) as Report;

const doctor = (...args: readonly string[]) => runPostern(['doctor', '--config', made.configFile, ...args]);

it('says of each check what is so and how to mend it, and exits 1 for an error alone', async () => {
  const well = await doctor();
  expect(well).toMatchObject({ code: 0, err: '' });
  expect(well.out).toMatch(/^ok {7}ledger +whole: 6 entries/m);
  expect(well.out).toMatch(/^warning {2}backup +no backup was ever made here.*\n +→ postern backup FILE/m);
  await chmod(join(made.data, 'keys/device-authority.key'), 0o644);
  const ill = await doctor('-o', 'json');
  expect(ill).toMatchObject({ code: 1, err: '' });
  const { healthy, findings } = reportOf(ill.out);
  expect(healthy).toBe(false);
  expect(findings).toContainEqual({
    check: 'key-files',
    level: 'error',
    what: 'others may read keys/device-authority.key',
    how: expect.stringContaining('chmod 600'),
  });
});

it('finds what keeps the settings from being read, and what is gone', async () => {
  await rm(join(made.data, 'ledger.db'));
  const lost = await doctor();
  expect(lost.code).toBe(1);
  expect(lost.out).toMatch(/^error {4}ledger +there is no ledger at /m);
  expect(lost.out).toMatch(/^unknown {2}policies +the ledger cannot be read/m);
  await writeFile(made.configFile, (await readFile(made.configFile, 'utf8')).replace('\nlog:', '\nlogs:'));
  const broken = await doctor('-o', 'json');
  expect(broken.code).toBe(1);
  expect(reportOf(broken.out).findings.map(({ check }) => check)).toEqual(['settings', 'settings']);
});
