import { expect, it } from 'vitest';
import type { SinkSettings } from '../../src/contract/sinks.ts';
import type { ResolvedSink } from '../../src/flow/sinks/resolved-sink.ts';
import { planShippers } from '../../src/supervisor/plan-shippers.ts';

const runAs = { uid: 64_990, gid: 64_991 };
const places = {
  flowDirectory: '/data/flows',
  accessDirectory: '/data/access',
  sinkDirectory: '/data/sinks',
  accessSinkDirectory: '/data/access-sinks',
};
const common = { from: 'now', format: 'ocsf' } as const;
const file = (name: string, more: object = {}): SinkSettings => ({
  ...common,
  name,
  type: 'file',
  path: `/log/${name}.jsonl`,
  rotateMegabytes: 1,
  ...more,
});
const all: ResolvedSink[] = [
  { settings: { ...common, name: 'search', type: 'archive', flushSeconds: 1 } },
  { settings: { ...common, name: 'detections', type: 'detections', learnDays: 14 } },
  { settings: file('both') },
  { settings: file('flows', { records: 'flows' }) },
  { settings: file('access', { records: 'access' }), secret: 'of access alone' },
];
const named = (sinks: readonly ResolvedSink[]) => sinks.map(({ settings: { name } }) => name);

it.each([
  ['all', ['search', 'detections', 'both', 'flows', 'access']],
  ['gateway', ['search', 'detections', 'both', 'flows', 'access']],
  ['control', ['search', 'both', 'flows', 'access']],
] as const)('one process delivers everything where all is one user’s, in the role %s', (role, sinks) => {
  const [only, ...others] = planShippers(all, role, undefined, places);
  expect(others).toEqual([]);
  expect(only).toMatchObject({
    name: 'sinks',
    recordDirectories: ['/data/flows', '/data/access'],
    sinkDirectory: '/data/sinks',
  });
  expect(named(only?.sinks ?? [])).toEqual(sinks);
  expect(only?.runAs).toBeUndefined();
});

it('with workers of another user, neither process is told of what the other reads, writes and proves itself with', () => {
  const planned = planShippers(all, 'all', runAs, places);
  expect(
    planned.map(({ sinks, ...shipper }) => ({
      ...shipper,
      sinks: sinks.map(({ settings: { name, records }, isGuarded }) => [name, records, isGuarded]),
    })),
  ).toEqual([
    {
      name: 'sinks',
      recordDirectories: ['/data/flows'],
      sinkDirectory: '/data/sinks',
      runAs,
      sinks: [
        ['search', 'flows', undefined],
        ['detections', 'flows', undefined],
        ['both', 'flows', undefined],
        ['flows', 'flows', undefined],
      ],
    },
    {
      name: 'access-sinks',
      recordDirectories: ['/data/access'],
      sinkDirectory: '/data/access-sinks',
      sinks: [
        ['both', 'access', true],
        ['access', 'access', true],
      ],
    },
  ]);
  expect(JSON.stringify(planned[0])).not.toContain('of access alone');
  const paths = planned.flatMap(({ sinks }) =>
    sinks.map(({ settings }) => ('path' in settings ? settings.path : undefined)),
  );
  expect(paths).toEqual([
    undefined,
    undefined,
    '/log/both.jsonl',
    '/log/flows.jsonl',
    '/log/both-access.jsonl',
    '/log/access.jsonl',
  ]);
});

it.each([
  ['gateway', ['sinks']],
  ['control', ['access-sinks']],
] as const)('a server of the role %s has only the process that it has records for', (role, processes) => {
  expect(planShippers(all, role, runAs, places).map(({ name }) => name)).toEqual(processes);
});

it('no process is there that would have nothing to deliver to', () => {
  expect(planShippers([], 'all', undefined, places)).toEqual([]);
  expect(planShippers(all.slice(0, 2), 'control', runAs, places)).toEqual([]);
});
