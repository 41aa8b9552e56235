import { hash } from 'node:crypto';
import packageFile from '../../package.json' with { type: 'json' };
import { refusals } from '../contract/refusals.ts';
import type { WorkerCounters } from '../contract/ipc.ts';
import type { SinkHealth } from '../contract/sinks.ts';
import type { ControlState } from '../domain/control-state.ts';
import { deviceStates } from '../domain/device.ts';
import { flowClasses } from '../domain/flow.ts';

/** What the metrics are made of. */
export interface MetricsSource {
  readonly state: ControlState;
  /** Of the root's certificate, as `installationOf` makes it: tells one installation from another. */
  readonly installation: string;
  readonly counters: ReadonlyMap<number, WorkerCounters>;
  readonly sinks: readonly SinkHealth[];
  /** At the control plane; those at the gateway are among the workers' refusals. */
  readonly lostDeviceAttempts: number;
  readonly ready: boolean;
  readonly residentBytes: number;
  readonly ledger: {
    readonly isAway: boolean;
    readonly recoveries: number;
    readonly lostFiles: number;
  };
}

/** A short name of an installation: the beginning of the SHA-256 of its root's certificate. */
export const installationOf = (rootPem: string): string => hash('sha256', rootPem.trim(), 'hex').slice(0, 16);

interface Sample {
  readonly labels?: Readonly<Record<string, string | number>>;
  readonly value: number;
}

const escapeLabel = (value: string | number): string =>
  String(value).replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');

function family(name: string, type: 'counter' | 'gauge', help: string, samples: readonly Sample[]): string {
  const lines = samples.map(({ labels = {}, value }) => {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`);
    return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}`;
  });
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines].join('\n');
}

/**
 * Prometheus' text format. The sets of labels are bounded by what we run, never by what clients send: no user, device,
 * application, path or address is one (a gateway's /metrics once grew to 20 MB that way).
 */
export function renderMetrics(source: MetricsSource): string {
  const { state, counters, ready, residentBytes, ledger } = source;
  const workers = [...counters];
  const perWorker = (pick: (counters: WorkerCounters) => number): Sample[] =>
    workers.map(([worker, each]) => ({ labels: { worker }, value: pick(each) }));
  const devices = new Map<string, number>(deviceStates.map((name) => [name, 0]));
  for (const device of state.devices.values())
    devices.set(device.state, (devices.get(device.state) ?? 0) + 1);
  const count = (value: number): Sample[] => [{ value }];
  const perSink = (pick: (sink: SinkHealth) => number): Sample[] =>
    source.sinks.map((sink) => ({ labels: { sink: sink.name, type: sink.type }, value: pick(sink) }));

  const build = { version: packageFile.version, node: process.version, installation: source.installation };

  return `${[
    family('postern_build_info', 'gauge', 'What runs, and for which installation.', [
      { labels: build, value: 1 },
    ]),
    family('postern_ready', 'gauge', 'Whether /readyz says yes.', count(ready ? 1 : 0)),
    family('postern_ledger_sequence', 'gauge', 'Events in the ledger.', count(state.head.sequence)),
    family(
      'postern_ledger_away',
      'gauge',
      'Whether the store of the ledger cannot be asked: changes and session tokens are refused.',
      count(ledger.isAway ? 1 : 0),
    ),
    family(
      'postern_ledger_recoveries_total',
      'counter',
      'How often the store was found to have lost acknowledged events, and was given them back.',
      count(ledger.recoveries),
    ),
    family(
      'postern_ledger_lost_files',
      'gauge',
      'Files of events that the store lost and went on without: see `postern ledger recover`.',
      count(ledger.lostFiles),
    ),
    family(
      'postern_devices',
      'gauge',
      'Devices by state.',
      [...devices].map(([name, value]) => ({ labels: { state: name }, value })),
    ),
    family(
      'postern_lost_device_attempts_total',
      'counter',
      'Connections and requests of devices that were reported lost, here and at the workers.',
      count(
        workers.reduce(
          (total, [, each]) => total + (each.refusalsTotal['device-lost'] ?? 0),
          source.lostDeviceAttempts,
        ),
      ),
    ),
    family('postern_resources', 'gauge', 'Resources by kind.', [
      { labels: { kind: 'network' }, value: state.networks.size },
      { labels: { kind: 'app' }, value: state.apps.size },
      { labels: { kind: 'group' }, value: state.groups.size },
      { labels: { kind: 'policy' }, value: state.policies.size },
    ]),
    family('postern_control_resident_bytes', 'gauge', 'Memory of the control process.', count(residentBytes)),
    family(
      'postern_worker_resident_bytes',
      'gauge',
      'Memory of a worker.',
      perWorker((each) => each.residentBytes),
    ),
    family(
      'postern_worker_connections',
      'gauge',
      'Open TLS connections.',
      perWorker((each) => each.connections),
    ),
    family(
      'postern_worker_flows_open',
      'gauge',
      'Requests and tunnels in flight.',
      perWorker((each) => each.flowsOpen),
    ),
    family(
      'postern_worker_requests_total',
      'counter',
      'Requests since the worker started.',
      perWorker((each) => each.requestsTotal),
    ),
    family(
      'postern_worker_records_written_total',
      'counter',
      'Flow records since the worker started.',
      perWorker((each) => each.recordsWritten),
    ),
    family(
      'postern_records_bytes',
      'gauge',
      'What all flow records take in the directory of the workers.',
      perWorker((each) => each.records.bytes),
    ),
    family(
      'postern_records_full',
      'gauge',
      'Whether there is no room for the records of new flows.',
      perWorker((each) => (each.records.isFull ? 1 : 0)),
    ),
    family(
      'postern_records_dropped_total',
      'counter',
      'Records of ordinary flows that were left out because there was no room, by class.',
      workers.flatMap(([worker, { records }]) =>
        flowClasses.map((name) => ({ labels: { worker, class: name }, value: records.dropped[name] })),
      ),
    ),
    family(
      'postern_worker_refusals_total',
      'counter',
      'Refusals by code since the worker started.',
      workers.flatMap(([worker, each]) => refusalSamples(worker, each)),
    ),
    family(
      'postern_sink_lag_records',
      'gauge',
      'Flow records on disk that the receiver of a sink has not acknowledged.',
      perSink(({ lagRecords }) => lagRecords),
    ),
    family(
      'postern_sink_lag_seconds',
      'gauge',
      'Since the oldest of them was recorded.',
      perSink(({ lagSeconds }) => lagSeconds),
    ),
    family(
      'postern_sink_failing',
      'gauge',
      'Whether a sink does not deliver: /readyz says why.',
      perSink(({ problem }) => (problem === undefined ? 0 : 1)),
    ),
    family(
      'postern_sink_delivered_records_total',
      'counter',
      'Flow records that the receiver of a sink acknowledged, since the process of the sinks started.',
      perSink(({ delivered }) => delivered),
    ),
    family(
      'postern_sink_refused_records_total',
      'counter',
      'Those that it will never take, which are kept in a file beside the cursor.',
      perSink(({ refused }) => refused),
    ),
  ].join('\n')}\n`;
}

function refusalSamples(worker: number, { refusalsTotal }: WorkerCounters): Sample[] {
  const byCode = new Map<string, number>();
  for (const [code, value] of Object.entries(refusalsTotal)) {
    const label = Object.hasOwn(refusals, code) ? code : 'other';
    byCode.set(label, (byCode.get(label) ?? 0) + value);
  }
  return [...byCode].map(([code, value]) => ({ labels: { worker, code }, value }));
}
