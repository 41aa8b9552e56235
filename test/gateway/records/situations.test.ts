import { expect, it } from 'vitest';
import type { Finding } from '../../../src/domain/finding.ts';
import type { Flow } from '../../../src/gateway/flow.ts';
import { createSituations } from '../../../src/gateway/records/situations.ts';
import type { SituationKind } from '../../../src/gateway/records/situations.ts';

const minute = 60_000;
const blocked: SituationKind = {
  rule: 'requests-suspicious',
  title: 'Requests that look like attacks',
  description: 'They did not reach the application.',
  severity: 'medium',
};
const letThrough: SituationKind = { ...blocked, title: 'Let through', severity: 'high' };

function start() {
  const told: Finding[] = [];
  const clock = { now: 1_800_000_000_000 };
  let ids = 0;
  let flows = 0;
  const findings = createSituations({
    record: (finding) => void told.push(finding),
    newId: () => `finding-${(ids += 1)}`,
    now: () => clock.now,
  });
  const note = (more: { device?: string; app?: string; isBlocking?: boolean; score?: number } = {}): void => {
    const { device = 'd-1', app = 'grants', isBlocking = true, score = 5 } = more;
    // What of a flow it looks at.
    const flow = {
      id: `flow-${(flows += 1)}`,
      app: { name: app },
      subject: { token: { user: 'alice@example.org' } },
      exchange: { connection: { certificate: { device } } },
    };
    findings.note(flow as unknown as Flow, isBlocking ? blocked : letThrough, {
      sums: { requests: 1 },
      highest: { highestScore: score },
    });
  };
  return { told, clock, note, findings };
}

it('tells of the first request at once, and of those after it together, a minute later', () => {
  const { told, clock, note, findings } = start();
  note({ score: 5 });
  expect(told).toEqual([
    {
      id: 'finding-1',
      ...blocked,
      state: 'new',
      at: clock.now,
      firstSeenAt: clock.now,
      lastSeenAt: clock.now,
      user: 'alice@example.org',
      device: 'd-1',
      app: 'grants',
      flows: ['flow-1'],
      counts: { requests: 1, highestScore: 5 },
    },
  ]);
  clock.now += minute / 2;
  note({ score: 30 });
  note({ score: 10 });
  findings.tellOn();
  expect(told).toHaveLength(1);
  clock.now += minute / 2;
  findings.tellOn();
  findings.tellOn();
  expect(told.slice(1)).toMatchObject([
    {
      id: 'finding-1',
      state: 'updated',
      lastSeenAt: clock.now - minute / 2,
      flows: ['flow-1', 'flow-2', 'flow-3'],
      counts: { requests: 3, highestScore: 30 },
    },
  ]);
});

it('tells devices, applications and what was let through apart, the last as graver', () => {
  const { told, note } = start();
  note();
  note({ device: 'd-2' });
  note({ app: 'hr' });
  note({ isBlocking: false });
  note();
  expect(told.map(({ state, severity }) => `${state} ${severity}`)).toEqual([
    'new medium',
    'new medium',
    'new medium',
    'new high',
  ]);
});

it('takes what comes after a long silence for something new, and keeps no more than it can', () => {
  const { told, clock, note, findings } = start();
  note();
  clock.now += 16 * minute;
  findings.tellOn();
  note();
  expect(told.map(({ id, state }) => [id, state])).toEqual([
    ['finding-1', 'new'],
    ['finding-2', 'new'],
  ]);
  for (let index = 0; index < 5000; index += 1) note({ device: `d-${index + 10}` });
  for (let index = 0; index < 300; index += 1) note({ device: 'd-5009' });
  clock.now += minute;
  findings.tellOn();
  expect(told.at(-1)).toMatchObject({ device: 'd-5009', counts: { requests: 301 } });
  expect(told.at(-1)?.flows).toHaveLength(100);
});
