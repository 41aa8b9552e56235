import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { detectionRules } from '../../src/contract/sinks.ts';
import { allDetections } from '../../src/detections/all-detections.ts';
import { createDetectionEngine } from '../../src/detections/engine.ts';
import type { Finding } from '../../src/domain/finding.ts';
import { createSeenReader } from '../../src/flow/sinks/detections/read-seen.ts';
import { readPlaces } from '../../src/flow/sinks/detections/places.ts';
import { memberOf } from '../../src/flow/shipper/spool-item.ts';
import type { FlowRecord } from '../../src/flow/shipper/spool-item.ts';

const fixture = (name: string): URL => new URL(`fixtures/${name}`, import.meta.url);
/** Made by record-days.ts. */
const records = gunzipSync(readFileSync(fixture('recorded-days.jsonl.gz')))
  .toString('utf8')
  .split('\n')
  .slice(0, -1)
  .map((line) => JSON.parse(line) as FlowRecord);
const places = await readPlaces(fixture('places.csv').pathname);
const context = { learnDays: 1, placeOf: places.placeOf };

/** As the sink does it; `restartEvery` so many records all is forgotten but what was saved. */
function look(
  options: {
    readonly restartEvery?: number;
    readonly off?: string;
    readonly learnDays?: number;
    readonly of?: readonly FlowRecord[];
  } = {},
): Finding[] {
  const { restartEvery = Number.POSITIVE_INFINITY, off, learnDays = 1, of = records } = options;
  const detections = allDetections.filter(({ rule }) => rule !== off);
  let saved: { engine?: unknown; reader?: unknown } = {};
  const start = () => ({
    engine: createDetectionEngine(detections, { ...context, learnDays }, saved.engine),
    reader: createSeenReader(saved.reader),
  });
  let running = start();
  const findings: Finding[] = [];
  for (const [index, record] of of.entries()) {
    const { sequence } = record['metadata'] as { sequence: number };
    findings.push(...running.engine.see(() => running.reader.read(record), 'worker 1', sequence));
    if ((index + 1) % restartEvery !== 0) continue;
    saved = JSON.parse(
      JSON.stringify({ engine: running.engine.save(), reader: running.reader.save() }),
    ) as typeof saved;
    running = start();
  }
  return findings;
}
const short = ({ rule, state, severity, user, device, app }: Finding): string =>
  [rule, state, severity, user?.split('@')[0], device, app].filter((part) => part !== undefined).join(' ');

const expected = [
  'refusal-burst new medium dave d-dave',
  'app-first-use new informational alice d-alice payroll',
  'sign-ins-far-apart new high bob d-bob',
  'volume-unusual new medium carol d-carol',
  'client-fingerprint-new new medium bob d-bob',
  'posture-flaps new low dave d-dave',
  'tunnels-disguised new high shell',
];

describe('two recorded days', () => {
  it('show each thing once, and nothing of what only looks like it', () => {
    expect(look().map(short)).toEqual(expected);
  });

  it('are explained, with the flows that show it', () => {
    const findings = look();
    expect(findings.map(({ description }) => description)).toEqual([
      'Laptop d-dave was refused 30 times within 116 seconds: denied (30).',
      'alice@example.org used payroll for the first time in the 1 day of which there is a memory.',
      'bob@example.org signed in from Rennes and, 15 minutes apart, from Montreal, 5274 km away.',
      'Laptop d-carol carried 1200 MiB within an hour; in the 25 hours before in which it carried something, it was 2 MiB on average.',
      'Laptop d-bob connected with the TLS fingerprint t13d190900_9dc949149365_97f8aa674fd9, which it never had before, and 0 other laptops have.',
      'The posture of laptop d-dave changed 6 times within 25 minutes: diskEncrypted.',
      'Within a day, tunnels to shell from 3 laptops were not what the application speaks: d-alice, d-bob, d-carol.',
    ]);
    const known = new Set(
      records.map((record) => (record['metadata'] as { correlation_uid: string }).correlation_uid),
    );
    for (const { flows, rule } of findings) {
      expect(flows.length, rule).toBeGreaterThan(0);
      if (rule !== 'tunnels-disguised') for (const flow of flows) expect(known.has(flow), flow).toBe(true);
    }
  });

  it.each([1, 7, 50])(
    'show the same when the process is started again after every %i records',
    (restartEvery) => {
      expect(look({ restartEvery })).toEqual(look());
    },
  );

  it('show nothing new when records come again', () => {
    expect(look({ of: [...records, ...records] })).toEqual(look());
  });

  it.each(detectionRules)('show no %s where it is turned off, and all else as before', (off) => {
    expect(look({ off }).map(short)).toEqual(expected.filter((each) => !each.startsWith(off)));
  });

  it('show no habit that was broken before there was one', () => {
    const found = look({ learnDays: 2 }).map(({ rule }) => rule);
    expect(found).toEqual(
      expected
        .map((each) => each.split(' ')[0])
        .filter((rule) => rule !== 'app-first-use' && rule !== 'client-fingerprint-new'),
    );
    // Without a day before it, Tuesday has no habits at all.
    const tuesday = records.filter((_, index) => index > 170);
    expect(look({ of: tuesday }).map(({ rule }) => rule)).not.toContain('volume-unusual');
  });
});

it('settings know each detection, and no other', () => {
  expect(allDetections.map(({ rule }) => rule).toSorted()).toEqual([...detectionRules].toSorted());
});

it('what is remembered stays within its bounds, whatever comes', () => {
  const engine = createDetectionEngine(allDetections, context);
  const reader = createSeenReader();
  const [sample] = records.filter(({ class_uid: uid }) => uid === 4002);
  for (let number = 1; number <= 30_000; number += 1) {
    const postern = {
      ...(memberOf(sample, 'unmapped', 'postern') as object),
      device: `d-${number}`,
      user: `u-${number}`,
      app: `a-${number}`,
      flow: `f-${number}`,
    };
    const record = { ...sample, action: number % 2 === 0 ? 'Denied' : 'Allowed', unmapped: { postern } };
    engine.see(() => reader.read(record), `chain ${number}`, 1);
  }
  const { rules, origins } = engine.save() as { rules: Record<string, unknown[]>; origins: unknown[] };
  expect(origins).toHaveLength(1000);
  expect(rules['refusal-burst']).toHaveLength(10_000);
  expect(rules['volume-unusual']).toHaveLength(20_000);
  expect(rules['posture-flaps']).toHaveLength(20_000);
});
