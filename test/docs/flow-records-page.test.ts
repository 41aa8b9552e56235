import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { flowRecordSchemas } from '../../src/flow/schema/classes.ts';
import { AccessRecord, ChangeRecord } from '../../src/flow/schema/control.ts';
import { membersOf, renderRecordsPage } from '../../src/flow/schema/records-page.ts';

const page = readFileSync(new URL('../../docs/flow-records.md', import.meta.url), 'utf8');
const schemas = [...Object.values(flowRecordSchemas), AccessRecord, ChangeRecord];

it('is current', () => {
  expect(page).toBe(renderRecordsPage());
});

it('is written by the command that it names', () => {
  const [, command = ''] = /Written by: node (\S+) >/.exec(page) ?? [];
  const root = fileURLToPath(new URL('../..', import.meta.url));
  expect(execFileSync(process.execPath, [command], { cwd: root, encoding: 'utf8' })).toBe(page);
});

it('has every member of every class, and says what each means', () => {
  const members = schemas.flatMap((schema) => membersOf(schema));
  expect(members.length).toBeGreaterThan(400);
  expect(members.filter(({ path }) => !page.includes(`| \`${path}\` |`)).map(({ path }) => path)).toEqual([]);
  expect(members.filter(({ description }) => description === '').map(({ path }) => path)).toEqual([]);
});
