import { afterEach, beforeEach, expect, it } from 'vitest';
import type { App } from '../../src/domain/resources.ts';
import { inspectionCheck } from '../../src/doctor/checks/inspection.ts';
import { append } from '../backup/backup-lab.ts';
import { makeInstallation } from '../control/installation.ts';
import type { Installation } from '../control/installation.ts';
import { app } from '../lab/resources.ts';
import { networkPut } from '../ledger/samples.ts';
import { find, set } from './doctor-lab.ts';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

let made: Installation;
beforeEach(async () => {
  made = await makeInstallation();
});
afterEach(() => made.remove());

const put = (name: string, more: Partial<App>): Promise<unknown> =>
  append(made, networkPut('finance'), {
    type: 'resource-put',
    resource: app({ name, host: `${name}.apps.example.org`, ...more }),
  });

it('the rules that applications ask for are missed only where one asks, and most where it blocks', async () => {
  const rules = join(made.data, 'rules');
  await set(made, ['inspection', 'coreRuleSet'], 'rules');
  expect(await find(inspectionCheck, made)).toEqual([{ level: 'ok', what: 'no application asks for rules' }]);
  await put('seen', { inspect: ['waf'] });
  await put('guarded', { inspect: ['waf'], waf: { mode: 'block' } });
  const how = expect.stringContaining(`no rules in ${rules}`);
  expect(await find(inspectionCheck, made)).toEqual([
    {
      level: 'error',
      what: 'applications that let nothing through uninspected are not reached: guarded',
      how,
    },
    { level: 'warning', what: 'requests pass uninspected to applications that ask for it: seen', how },
  ]);
  await mkdir(rules);
  await writeFile(join(rules, 'REQUEST-900-X.conf'), 'SecAction "id:1,phase:1,nolog"');
  expect(await find(inspectionCheck, made)).toEqual([
    { level: 'ok', what: 'rules are there for 2 applications that ask for them' },
  ]);
});

it('contents that nobody looks through are missed where an application asks for that', async () => {
  await put('forms', { inspect: ['dlp'] });
  expect(await find(inspectionCheck, made)).toEqual([{ level: 'ok', what: 'no application asks for rules' }]);
  const rest = { coreRuleSet: 'rules', maxBodyBytes: 131_072, maxHeldBytes: 67_108_864, timeoutMs: 2000 };
  await set(made, ['inspection'], rest);
  expect(await find(inspectionCheck, made)).toEqual([
    {
      level: 'error',
      what: 'applications that want their contents looked through are not reached: forms',
      how: 'add `inspection.dataLoss` to postern.yaml, as docs/data-loss.md has it',
    },
  ]);
});
