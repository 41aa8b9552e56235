/**
 * pomerium#5378: /metrics grew to 20 MB, since what clients sent (hosts, paths, users) became label values. Whoever can
 * make requests could fill the memory of the gateway and of the one who scrapes it. Our labels come from tables of ours.
 */
import { expect, it } from 'vitest';
import type { WorkerCounters } from '../../src/contract/ipc.ts';
import { refusals } from '../../src/contract/refusals.ts';
import { renderMetrics } from '../../src/control/metrics.ts';
import { emptyState } from '../../src/ledger/fold.ts';

const countersWith = (refusalsTotal: Record<string, number>): WorkerCounters => ({
  connections: 1,
  flowsOpen: 1,
  requestsTotal: 1,
  refusalsTotal,
  recordsWritten: 1,
  records: { isFull: false, bytes: 9, dropped: { requests: 0, tunnels: 0 } },
  residentBytes: 1,
});
const render = (refusalsTotal: Record<string, number>): string =>
  renderMetrics({
    installation: '0123456789abcdef',
    state: emptyState(),
    counters: new Map([[1, countersWith(refusalsTotal)]]),
    sinks: [],
    ready: true,
    lostDeviceAttempts: 0,
    ledger: { isAway: false, recoveries: 0, lostFiles: 0 },
    residentBytes: 1,
  });

it('does not grow with what clients send, and loses no count', () => {
  const made = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`code-${index}`, 1]));
  const text = render({ ...made, 'token-expired': 3 });
  expect(text.length).toBeLessThan(20_000);
  expect(text).toContain('postern_worker_refusals_total{worker="1",code="other"} 100000');
  expect(text).toContain('postern_worker_refusals_total{worker="1",code="token-expired"} 3');
});

it('has every code of ours at most, each line in the form that Prometheus reads', () => {
  const all = Object.fromEntries(Object.keys(refusals).map((code) => [code, 1]));
  const lines = render(all).trimEnd().split('\n');
  expect(lines.filter((line) => line.startsWith('postern_worker_refusals_total{'))).toHaveLength(
    Object.keys(refusals).length,
  );
  const form = /^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="[^"\n]*"(,[a-z]+="[^"\n]*")*\})? [0-9.e+-]+)$/;
  expect(lines.filter((line) => !form.test(line))).toEqual([]);
  expect(render({ 'evil"} 1\nfake_metric 2': 1 })).not.toContain('fake_metric');
});
