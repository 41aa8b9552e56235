import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseDay } from '../../../src/cli/day.ts';
import { settingsTemplate } from '../../../src/cli/settings-template.ts';
import { archiveSink, makeData } from '../../flow/archive/archiving.ts';
import { openRecorder, whenWritten } from '../../flow/flow-directory.ts';
import { allowedFacts, answered, deniedFacts, monday, refused } from '../../flow/samples.ts';
import { delivered, ship } from '../../flow/shipper/shipping.ts';
import { runPostern } from '../run-postern.ts';

/** A data directory with settings, an archive, and one record that is only in the spool. */
async function recorded(): Promise<string> {
  const { data, flows, sinks, archive } = makeData();
  const settings = settingsTemplate({ domain: 'example.org', controlNames: ['localhost'] });
  writeFileSync(
    join(data, 'postern.yaml'),
    `${settings}sinks:\n  - ${JSON.stringify({ ...archiveSink, flushSeconds: 30 })}\n`,
  );
  const recorder = openRecorder(flows);
  recorder.request(allowedFacts, answered);
  await whenWritten(recorder);
  const shipper = await ship(flows, sinks, [archiveSink], archive);
  await delivered(shipper);
  await shipper.stop(1000);
  recorder.request(deniedFacts, refused);
  await whenWritten(recorder);
  return data;
}

test('prints what is found, in a table, as JSON or as the records themselves; exits 1 when it is nothing', async () => {
  const data = await recorded();
  const search = (...args: readonly string[]) =>
    runPostern(['flows', 'search', '--data', data, '--on', '2026-01-05', ...args]);
  const table = await search();
  expect(table.code).toBe(0);
  expect(table.out.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
    ['TIME', 'VERDICT', 'USER', 'DEVICE', 'APP', 'WHAT', 'WHY'],
    [
      '2026-01-05T08:00:00.025Z',
      'allowed',
      'alice@example.org',
      'd-7f3a',
      'grants',
      'GET /applications/17 200',
      'policy-permits',
    ],
    [
      '2026-01-05T08:00:00.001Z',
      'denied',
      'alice@example.org',
      'd-7f3a',
      'grants',
      'GET /applications/17 403',
      'denied, policy-forbids',
    ],
    [''],
  ]);
  const json = await search('--verdict', 'denied', '-o', 'json');
  expect(JSON.parse(json.out)).toMatchObject([{ verdict: 'denied', sequence: 2 }]);
  const whole = await search('--class', 'request', '--limit', '1', '--whole');
  expect(JSON.parse(whole.out)).toMatchObject({ class_uid: 4002, metadata: { sequence: 1 } });
  const by = await search('--by', 'user,verdict');
  expect(by.out).toMatch(
    /^USER +VERDICT +ALLOWED +DENIED .*\nalice@example\.org +allowed +1 +0 .*\nalice@example\.org +denied +0 +1 /,
  );
  expect((await search('--user', 'nobody')).code).toBe(1);
});

test('says where a list ends at its limit, beside the list', async () => {
  const data = await recorded();
  const search = (...args: readonly string[]) =>
    runPostern(['flows', 'search', '--data', data, '--on', '2026-01-05', '-o', 'json', ...args]);
  const cut = { code: 0, err: expect.stringContaining('only the first 1 are shown, there may be more') };
  for (const args of [[], ['--by', 'verdict']]) {
    expect(await search('--limit', '1', ...args)).toMatchObject(cut);
    expect(await search('--limit', '3', ...args)).toMatchObject({ code: 0, err: '' });
  }
});

test('searches a copy that has no settings in its spool, and refuses what cannot be meant', async () => {
  const { data, flows } = makeData();
  const recorder = openRecorder(flows);
  recorder.request(allowedFacts, answered);
  await whenWritten(recorder);
  const found = await runPostern([
    'flows',
    'search',
    '--data',
    data,
    '--since',
    '2026-01-05',
    '--until',
    '2026-01-06',
  ]);
  expect(found).toMatchObject({ code: 0, out: expect.stringContaining('alice@example.org') });
  for (const args of [
    ['--on', 'today', '--since', '1h'],
    ['--by', 'record'],
  ])
    expect((await runPostern(['flows', 'search', '--data', data, ...args])).code).toBe(2);
  expect((await runPostern(['flows', 'search', '--data', join(data, 'none')])).code).toBe(2);
});

test('knows the days of a week by the one that was last', () => {
  const day = 86_400_000;
  const noon = monday + 4 * 3_600_000;
  const today = monday - 8 * 3_600_000;
  expect(parseDay('today', noon)).toEqual({ since: today, until: today + day });
  expect(parseDay('Yesterday', noon)).toEqual({ since: today - day, until: today });
  expect(parseDay('tuesday', noon).since).toBe(today - 6 * day);
  expect(parseDay('monday', noon).since).toBe(today - 7 * day);
  expect(parseDay('2026-01-05', noon).since).toBe(today);
});
