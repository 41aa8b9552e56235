import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readCoreRuleSet } from '../../src/control/workers/core-rule-set.ts';
import { createWaf } from '../../src/gateway/waf/waf.ts';
import { inspectRequest } from '../../src/inspection/inspect-request.ts';
import type { DeviceId } from '../../src/domain/ids.ts';
import type { InspectedRequest } from '../../src/inspection/request.ts';
import { buildRuleSet } from '../../src/inspection/rule-set.ts';
import { attacks } from '../inspection/corpus/attacks.ts';
import { form, inspected } from '../inspection/corpus/corpus-request.ts';
import type { CorpusRequest } from '../inspection/corpus/corpus-request.ts';
import { ordinary } from '../inspection/corpus/ordinary.ts';
import { labSettings } from '../lab/gateway.ts';
import { measureScannedUpload } from './support/malware-upload.ts';
import { startModSecurity } from './support/modsecurity.ts';
import type { ModSecurity } from './support/modsecurity.ts';
import { dataLossRows } from './support/data-loss-rows.ts';
import { reportRows, rowOf } from './support/row.ts';
import type { Row } from './support/row.ts';
import { median } from './support/table.ts';

/**
 * What inspecting requests and contents finds and costs: `npm run bench:inspect -- [--json FILE] [--quick] [--rules DIR]`. Beside it
 * ModSecurity in nginx with the same rules, where it is installed; and a large upload through clamd, where that is.
 */
const { values: flags } = parseArgs({
  options: {
    json: { type: 'string' },
    quick: { type: 'boolean' },
    rules: { type: 'string', default: '/usr/share/modsecurity-crs/rules' },
  },
});
const calls = flags.quick === true ? 400 : 3000;
const levels = [1, 2, 4];
const inspection = {
  coreRuleSet: flags.rules,
  maxBodyBytes: 131_072,
  maxHeldBytes: 1_048_576,
  timeoutMs: 60_000,
};
const read = await readCoreRuleSet({ ...labSettings(), inspection }, '/');
if (read.files === undefined) {
  console.error(read.problem);
  process.exit(1);
}
const startedAt = performance.now();
const ruleSet = buildRuleSet(read.files);
const rows: Row[] = [
  rowOf(
    'rules read and their patterns made',
    'ruleSetBuildMilliseconds',
    performance.now() - startedAt,
    'ms',
  ),
];
console.log(
  `${ruleSet.version}: ${ruleSet.rules.length} rules, ${ruleSet.notEvaluated.length} not evaluated\n`,
);

const bad = Object.values(attacks).flat().map(inspected);
const good = Object.values(ordinary).flat().map(inspected);
const percent = (part: number, whole: number): number => (100 * part) / whole;
const counts = async (
  requests: readonly InspectedRequest[],
  isFound: (request: InspectedRequest) => Promise<boolean> | boolean,
) => {
  let found = 0;
  for (const request of requests) if (await isFound(request)) found += 1;
  return percent(found, requests.length);
};

const directory = mkdtempSync(join(tmpdir(), 'postern-inspect-'));
let hasPeer = false;
for (const paranoia of levels) {
  const isFound = (request: InspectedRequest): boolean =>
    inspectRequest(ruleSet, request, { paranoia, exclusions: [] }).score >= 5;
  rows.push(
    rowOf(
      `level ${paranoia}: of ${bad.length} attacks found`,
      `level${paranoia}HitsPercent`,
      await counts(bad, isFound),
      '%',
    ),
    rowOf(
      `level ${paranoia}: of ${good.length} ordinary requests taken for one`,
      `level${paranoia}FalseAlarmsPercent`,
      await counts(good, isFound),
      '%',
    ),
  );
  const peer = await startModSecurity(directory, flags.rules, paranoia);
  if (peer === undefined) continue;
  hasPeer = true;
  rows.push(...(await ratesOf(peer, paranoia)));
  await peer.stop();
}
const scanned = await measureScannedUpload(directory, flags.quick === true ? 250_000_000 : 1_000_000_000);
rows.push(...scanned);
rmSync(directory, { recursive: true, force: true });

async function ratesOf(peer: ModSecurity, paranoia: number): Promise<Row[]> {
  const isFound = async (request: InspectedRequest): Promise<boolean> => !(await peer.passes(request));
  const name = `ModSecurity in nginx, level ${paranoia}`;
  const found = [
    rowOf(
      `${name}: attacks found`,
      `modSecurityLevel${paranoia}HitsPercent`,
      await counts(bad, isFound),
      '%',
    ),
    rowOf(
      `${name}: ordinary requests taken for one`,
      `modSecurityLevel${paranoia}FalseAlarmsPercent`,
      await counts(good, isFound),
      '%',
    ),
  ];
  const before = peer.cpuSeconds();
  const rounds = flags.quick === true ? 5 : 20;
  for (let round = 0; round < rounds; round += 1) for (const request of good) await peer.passes(request);
  const micros = ((peer.cpuSeconds() - before) * 1e6) / (rounds * good.length);
  return [
    ...found,
    rowOf(
      `${name}: an ordinary request, its connection and nginx with it`,
      `modSecurityLevel${paranoia}CpuMicros`,
      micros,
      'us CPU',
    ),
  ];
}

/** Wall-clock microseconds of many calls, sorted. */
function timesOf(request: InspectedRequest, paranoia: number, count: number): number[] {
  const profile = { paranoia, exclusions: [] };
  for (let index = 0; index < count / 4; index += 1) inspectRequest(ruleSet, request, profile);
  const times: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const before = performance.now();
    inspectRequest(ruleSet, request, profile);
    times.push((performance.now() - before) * 1000);
  }
  return times.toSorted((one, other) => one - other);
}
const at = (sorted: readonly number[], part: number): number =>
  sorted[Math.floor(sorted.length * part)] ?? Number.NaN;

const text = "Voici l'avis de l'école (réf. 12-B) ; merci d'y répondre. ";
const large: CorpusRequest = {
  target: '/avis',
  type: form,
  body: `avis=${encodeURIComponent(text.repeat(2000)).slice(0, 131_067)}`,
};
const kinds: readonly (readonly [name: string, key: string, request: CorpusRequest, share: number])[] = [
  ['a page', 'page', ordinary['pages']?.[6] ?? { target: '/' }, 1],
  ['a search', 'search', ordinary['search']?.[0] ?? { target: '/' }, 1],
  ['a form', 'form', ordinary['forms']?.[1] ?? { target: '/' }, 1],
  ['a JSON call', 'json', ordinary['json']?.[0] ?? { target: '/' }, 1],
  ['an attack', 'attack', attacks['sqli']?.[0] ?? { target: '/' }, 1],
  ['a form of 128 KiB', 'largeForm', large, 0.02],
];
for (const paranoia of [1, 2])
  for (const [name, key, request, share] of kinds) {
    const times = timesOf(inspected(request), paranoia, Math.max(10, calls * share));
    rows.push(
      rowOf(`level ${paranoia}, ${name}: median`, `level${paranoia}${key}MedianMicros`, at(times, 0.5), 'us'),
      rowOf(
        `level ${paranoia}, ${name}: 99th percentile`,
        `level${paranoia}${key}P99Micros`,
        at(times, 0.99),
        'us',
      ),
    );
  }

// As a worker has it: asked of the thread, one at a time, and what of that the worker itself has to do.
const quiet = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
const before = process.memoryUsage().rss;
const waf = createWaf({ coreRuleSet: read, timeoutMs: 60_000, log: quiet });
const profile = { paranoia: 1, exclusions: [] };
const search = inspected(kinds[1]?.[2] ?? { target: '/' });
for (let index = 0; index < calls / 4; index += 1) await waf.inspect('bench' as DeviceId, search, profile);
const waits: number[] = [];
const cpuBefore = process.threadCpuUsage();
for (let index = 0; index < calls; index += 1) {
  const asked = performance.now();
  await waf.inspect('bench' as DeviceId, search, profile);
  waits.push((performance.now() - asked) * 1000);
}
const cpu = process.threadCpuUsage(cpuBefore);
const sorted = waits.toSorted((one, other) => one - other);
rows.push(
  rowOf('level 1, a search, asked of the thread: median', 'askedMedianMicros', median(waits), 'us'),
  rowOf('level 1, a search, asked of the thread: 99th percentile', 'askedP99Micros', at(sorted, 0.99), 'us'),
  rowOf(
    'of that, CPU of the worker’s event loop',
    'askedEventLoopCpuMicros',
    (cpu.user + cpu.system) / calls,
    'us CPU',
    100,
  ),
  rowOf(
    'the thread: memory with its rules',
    'threadMegabytes',
    (process.memoryUsage().rss - before) / 1e6,
    'MB',
  ),
);
await waf.close();
rows.push(...(await dataLossRows(flags.quick === true)));

reportRows(rows, flags.json);
if (!hasPeer)
  console.log(
    '\nNot found, and so not measured beside it: nginx with ModSecurity (libnginx-mod-http-modsecurity).',
  );
if (scanned.length === 0) console.log('\nNot found, and so not measured: clamd (clamav-daemon) and curl.');
process.exit(0);
