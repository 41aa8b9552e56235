import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openRecorder, whenWritten } from '../flow/flow-directory.ts';
import { allowedFacts, answered, deniedFacts, monday, refused } from '../flow/samples.ts';
import { startControlLab } from './control-lab.ts';
import type { Answer, ControlLab } from './control-lab.ts';

let lab: ControlLab;
let soc: string;
beforeEach(async () => {
  lab = await startControlLab();
  soc = await lab.makeKey({ role: 'soc' });
  const flows = join(lab.directory, 'flows');
  mkdirSync(flows);
  const recorder = openRecorder(flows);
  recorder.request(allowedFacts, answered);
  recorder.request(deniedFacts, refused);
  await whenWritten(recorder);
});
afterEach(() => lab.close());

const ask = (path: string, key = soc): Promise<Answer> => lab.ask('GET', path, { key });
const day = `since=${monday}&until=${monday + 86_400_000}`;

it('answers the SOC who reached an application from which laptop, and what was denied', async () => {
  const summary = await ask(`/v1/flows/summary?${day}&app=grants&by=user,device,verdict`);
  expect(summary.body.counts).toMatchObject([
    { by: { user: 'alice@example.org', device: 'd-7f3a', verdict: 'allowed' }, allowed: 1, denied: 0 },
    { by: { user: 'alice@example.org', device: 'd-7f3a', verdict: 'denied' }, allowed: 0, denied: 1 },
  ]);
  const denied = await ask(`/v1/flows?${day}&verdict=denied`);
  expect(denied.body.flows).toMatchObject([
    { app: 'grants', refusal: 'denied', reasons: ['policy-forbids'] },
  ]);
  expect(denied.body.flows[0].record).toBeUndefined();
  const whole = await ask(`/v1/flows?${day}&verdict=denied&whole=true`);
  expect(JSON.parse(whole.body.flows[0].record)).toMatchObject({ class_uid: 4002, status_code: 'denied' });
});

it('pages with a cursor, and refuses one that is none', async () => {
  const first = await ask(`/v1/flows?${day}&limit=1`);
  expect(first.body.flows).toMatchObject([{ verdict: 'allowed' }]);
  const second = await ask(`/v1/flows?${day}&limit=1&cursor=${first.body.next}`);
  expect(second.body.flows).toMatchObject([{ verdict: 'denied' }]);
  expect(await ask(`/v1/flows?${day}&cursor=bm90`)).toMatchObject({
    status: 400,
    body: { code: 'invalid-input' },
  });
});

it('puts on record who searched for what', async () => {
  await ask(`/v1/flows?${day}&user=alice@example.org`);
  const { body } = await lab.ask('GET', '/v1/access-log');
  expect(body.accesses[0]).toMatchObject({
    actor: expect.stringMatching(/^api-key:soc-/),
    operation: 'GET /v1/flows',
    target: { user: 'alice@example.org', since: String(monday) },
    count: 2,
  });
});

it('refuses who may not read flows, and columns that there are not', async () => {
  const helpdesk = await lab.makeKey({ role: 'helpdesk' });
  expect(await ask('/v1/flows', helpdesk)).toMatchObject({ status: 403, body: { code: 'role-missing' } });
  const narrowed = await lab.makeKey({ role: 'soc', scopes: ['devices:read'] });
  expect(await ask('/v1/flows/summary?by=user', narrowed)).toMatchObject({
    status: 403,
    body: { code: 'scope-missing' },
  });
  for (const path of [
    '/v1/flows/summary',
    '/v1/flows/summary?by=record',
    '/v1/flows/summary?by=user;app',
    '/v1/flows?sql=1',
  ])
    expect(await ask(path)).toMatchObject({ status: 400, body: { code: 'invalid-input' } });
});

it('refuses a period that nothing can be in, whose empty answer would read as if nothing had happened', async () => {
  const yearAhead = String(Date.now() + 365 * 86_400_000);
  for (const [period, problem] of [
    [`since=${monday}&until=${monday}`, 'until: is not after the beginning of the period'],
    [`since=${yearAhead}`, 'since: is in the future'],
  ])
    for (const path of ['/v1/flows?', '/v1/flows/summary?by=user&'])
      expect(await ask(`${path}${period}`)).toMatchObject({ status: 400, body: { problems: [problem] } });
});
