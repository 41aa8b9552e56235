import { execFile } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { columnNames, columns } from '../../../src/flow/archive/columns.ts';
import { formatClickhouse } from '../../../src/flow/formats/clickhouse.ts';
import { makeData } from '../archive/archiving.ts';
import { linesIn } from '../../lab/flow-records.ts';
import { openRecorder, whenWritten } from '../flow-directory.ts';
import { allowedFacts, answered, deniedFacts, refused } from '../samples.ts';

const deploy = fileURLToPath(new URL('../../../deploy/clickhouse/', import.meta.url));
const schema = readFileSync(join(deploy, 'schema.sql'), 'utf8');
/** Columns of the table that are not made of others. */
const inTable = [
  ...schema.matchAll(/^ {4}([a-zA-Z]+) ((?:LowCardinality|Nullable|Array|String|DateTime64|Int64).*?),?$/gm),
]
  .map(([, name = '', type = '']) => [name, type] as const)
  .filter(([, type]) => !type.includes('MATERIALIZED'));

test('the table has the columns of the archive, in its order and of their kinds', () => {
  expect(inTable.map(([name]) => name)).toEqual([...columnNames, 'record']);
  const kinds = {
    time: /DateTime64\(3, 'UTC'\)/,
    integer: /Int64/,
    text: /String/,
    texts: /^Array\(.*String/,
  };
  for (const [name, type] of inTable)
    if (name !== 'record')
      expect([name, type]).toEqual([
        name,
        expect.stringMatching(kinds[columns[name as keyof typeof columns].kind]),
      ]);
});

test('a row has each column, with times as a column of UTC reads them', async () => {
  const { flows } = makeData();
  const recorder = openRecorder(flows);
  recorder.request(allowedFacts, answered);
  await whenWritten(recorder);
  const [line = ''] = linesIn(flows);
  const row = JSON.parse(formatClickhouse(JSON.parse(line) as Record<string, unknown>, line)) as Record<
    string,
    unknown
  >;
  expect(Object.keys(row)).toEqual(inTable.map(([name]) => name));
  expect(row).toMatchObject({
    time: '2026-01-05 08:00:00.025',
    class: 4002,
    user: 'alice@example.org',
    reasons: ['policy-permits'],
    refusal: null,
    record: line,
  });
});

test('the loader pipes the rows of a data directory into the client, and says when records are missing', async () => {
  const { data, flows } = makeData();
  const recorder = openRecorder(flows);
  recorder.request(allowedFacts, answered);
  recorder.request(deniedFacts, refused);
  await whenWritten(recorder);
  const client = join(data, 'client');
  writeFileSync(client, `#!/bin/sh\nprintf '%s\\n' "$*" > ${data}/asked\ncat > ${data}/loaded\n`);
  chmodSync(client, 0o755);
  const program = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));
  const postern = join(data, 'postern');
  writeFileSync(postern, `#!/bin/sh\nexec ${process.execPath} ${program} "$@"\n`);
  chmodSync(postern, 0o755);
  const load = (): Promise<unknown> =>
    promisify(execFile)(join(deploy, 'load.sh'), [data, '2026-01-05', '2026-01-06'], {
      env: { ...process.env, POSTERN: postern, CLICKHOUSE: client },
    });
  await load();
  expect(readFileSync(join(data, 'asked'), 'utf8')).toBe(
    '--query INSERT INTO postern.flows FORMAT JSONEachRow\n',
  );
  const rows = readFileSync(join(data, 'loaded'), 'utf8').split('\n').slice(0, -1);
  expect(rows.map((row) => (JSON.parse(row) as { verdict: string }).verdict)).toEqual(['allowed', 'denied']);
  // As where a record was cut out.
  writeFileSync(postern, '#!/bin/sh\nexit 1\n');
  await expect(load()).rejects.toMatchObject({ code: 1 });
});
