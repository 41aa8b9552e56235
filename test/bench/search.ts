import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { hourMs } from '../../src/flow/archive/partition.ts';
import { flowPlacesOf, searchLimits } from '../../src/flow/search/flow-places.ts';
import type { FlowAnswer, FlowQuery } from '../../src/flow/search/flow-query.ts';
import { createSearcher } from '../../src/flow/search/searcher.ts';
import { archiveSink } from '../flow/archive/archiving.ts';
import { monday } from '../flow/samples.ts';
import { knownArchive, makeArchive } from './search/make-archive.ts';
import { reportRows, rowOf } from './support/row.ts';
import type { Row } from './support/row.ts';
import { median } from './support/table.ts';

/**
 * What searching an archive takes: `npm run bench:search -- [--days N] [--archive DIR] [--quick] [--json FILE]`. A day is a million
 * records, 300,000 with --quick; ten days without --days, one with --quick. With --archive, what was made stays there, and the next
 * run with as many days searches it. A search is asked as the control plane asks it, in its process; medians, and the first by itself.
 * Beside what each took is what it took of the processor, which says what a machine that does nothing else would need.
 */
const { values: flags } = parseArgs({
  options: {
    days: { type: 'string' },
    archive: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
const days = Number(flags.days ?? (flags.quick ? 1 : 10));
const hours = 24 * days;
const perHour = flags.quick ? 12_500 : 41_667;
const rounds = flags.quick ? 3 : 7;

const data = flags.archive ?? mkdtempSync(join(tmpdir(), 'postern-bench-search-'));
if (flags.archive === undefined) process.on('exit', () => rmSync(data, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));
const made = existsSync(join(data, 'archive'))
  ? knownArchive(data, hours, perHour)
  : await makeArchive(data, hours, perHour);
const rows: Row[] = [
  rowOf('records', 'records', made.records, ''),
  rowOf('a record in Parquet', 'bytesARecord', made.bytesARecord, 'bytes'),
  ...(made.microsARecord === undefined
    ? []
    : [rowOf('archiving a record', 'archiveMicros', made.microsARecord, 'µs CPU')]),
];

const end = monday + hours * hourMs;
const daysBefore = (count: number): { since: number; until: number } => ({
  since: Math.max(monday, end - count * 24 * hourMs),
  until: end,
});
const day = { since: monday + (hours / 2 - 12) * hourMs, until: monday + (hours / 2 + 12) * hourMs };
const all = daysBefore(days);
const queries: readonly (readonly [what: string, key: string, query: FlowQuery, mark?: number])[] = [
  [
    'a device and a day',
    'deviceDay',
    { kind: 'rows', filter: { device: 'd-4711' }, ...day, limit: 1000, whole: false },
    1000,
  ],
  [
    'the same, whole records',
    'deviceDayWhole',
    { kind: 'rows', filter: { device: 'd-4711' }, ...day, limit: 1000, whole: true },
    1000,
  ],
  [
    'who reached an application on a day, from which laptop, and was denied',
    'appDay',
    { kind: 'counts', by: ['user', 'device', 'verdict'], filter: { app: 'app-17' }, ...day, limit: 1000 },
    1000,
  ],
  [
    'what an application was denied for on a day',
    'appDayDenied',
    { kind: 'rows', filter: { app: 'app-17', verdict: 'denied' }, ...day, limit: 1000, whole: false },
    1000,
  ],
  [
    'where a device was in 30 days (blast radius)',
    'deviceMonth',
    {
      kind: 'counts',
      by: ['app', 'network', 'user', 'refusal'],
      filter: { device: 'd-4711' },
      ...daysBefore(30),
      limit: 1000,
    },
  ],
  [
    'the newest 1000 of a user in 90 days',
    'userNewest',
    { kind: 'rows', filter: { user: 'user-711@example.org' }, ...daysBefore(90), limit: 1000, whole: false },
  ],
  [
    'applications of a user in 90 days',
    'userApps',
    { kind: 'counts', by: ['app'], filter: { user: 'user-711@example.org' }, ...daysBefore(90), limit: 1000 },
  ],
  [
    'denials of all days by application',
    'deniedAll',
    { kind: 'counts', by: ['app'], filter: { verdict: 'denied' }, ...all, limit: 1000 },
  ],
  ['the newest 100 of all', 'newest', { kind: 'rows', filter: {}, ...all, limit: 100, whole: false }],
];

const searcher = createSearcher({
  places: flowPlacesOf(data, [{ settings: archiveSink }]),
  limits: searchLimits,
  timeoutMs: 120_000,
});
const isEmpty = (answer: FlowAnswer): boolean =>
  (answer.kind === 'rows' ? answer.rows : answer.counts).length === 0;
const timed = async (query: FlowQuery): Promise<number> => {
  const started = performance.now();
  const answer = await searcher.ask(query);
  if (isEmpty(answer)) throw new Error(`nothing found: ${JSON.stringify(query)}`);
  return performance.now() - started;
};
/** The process that searches, which is the only one that this one has. */
const searching = (): string =>
  `/proc/${readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8').trim()}`;
/** In milliseconds; the kernel counts in hundredths of a second. */
function processorTime(): number {
  const fields = readFileSync(`${searching()}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return 10 * (Number(fields[11]) + Number(fields[12]));
}

const [[, , first] = []] = queries;
if (first !== undefined) {
  const tookMs = await timed(first);
  rows.push(rowOf('a device and a day, process started for it', 'deviceDayFirstMs', tookMs, 'ms'));
  rows.push(rowOf('  of the processor', 'deviceDayFirstCpuMs', processorTime(), 'ms'));
}
for (const [what, key, query, mark] of queries) {
  const times: number[] = [];
  const before = processorTime();
  for (let round = 0; round < rounds; round += 1) times.push(await timed(query));
  rows.push(rowOf(what, `${key}Ms`, median(times), 'ms', mark));
  rows.push(rowOf('  of the processor', `${key}CpuMs`, (processorTime() - before) / rounds, 'ms'));
}
const [, peak = '0'] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`${searching()}/status`, 'utf8')) ?? [];
rows.push(rowOf('memory of the process that searches, at most', 'peakMegabytes', Number(peak) / 1024, 'MB'));
searcher.close();
reportRows(rows, flags.json);
