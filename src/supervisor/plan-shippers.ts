import type { RecordKind } from '../contract/sinks.ts';
import { accessPathOf } from '../flow/sinks/access-path.ts';
import type { ResolvedSink } from '../flow/sinks/resolved-sink.ts';
import type { RunAs } from './commands.ts';

/** A process that delivers records. */
export interface PlannedShipper {
  readonly name: 'sinks' | 'access-sinks';
  readonly recordDirectories: readonly string[];
  readonly sinkDirectory: string;
  readonly sinks: readonly ResolvedSink[];
  /** As whom; as the server's user without. */
  readonly runAs?: RunAs;
}

export interface ShipperPlaces {
  readonly flowDirectory: string;
  readonly accessDirectory: string;
  readonly sinkDirectory: string;
  readonly accessSinkDirectory: string;
}

/**
 * Which processes deliver what. One does it all where all is one user's. With `runAs`, records of flows are delivered by the
 * workers' user, who can neither read the access log nor write into what is sent of it; that is delivered by the server's
 * own user, who reads nothing that a worker wrote.
 */
export function planShippers(
  sinks: readonly ResolvedSink[],
  role: 'all' | 'gateway' | 'control',
  runAs: RunAs | undefined,
  places: ShipperPlaces,
): PlannedShipper[] {
  const { flowDirectory, accessDirectory, sinkDirectory, accessSinkDirectory } = places;
  const hasWorkers = role !== 'control';
  const planned: PlannedShipper[] =
    runAs === undefined
      ? [
          {
            name: 'sinks',
            recordDirectories: [flowDirectory, accessDirectory],
            sinkDirectory,
            sinks: hasWorkers ? sinks : sinks.filter(({ settings: { type } }) => type !== 'detections'),
          },
        ]
      : [
          {
            name: 'sinks',
            recordDirectories: [flowDirectory],
            sinkDirectory,
            sinks: hasWorkers ? sinks.filter((sink) => takes(sink, 'flows')).map(flowSinkOf) : [],
            runAs,
          },
          {
            name: 'access-sinks',
            recordDirectories: [accessDirectory],
            sinkDirectory: accessSinkDirectory,
            // Not the archive, whose files are the workers' user's, nor what looks at flows.
            sinks:
              role === 'gateway'
                ? []
                : sinks.filter((sink) => takes(sink, 'access') && !isOfFlows(sink)).map(accessSinkOf),
          },
        ];
  return planned.filter((shipper) => shipper.sinks.length > 0);
}

const isOfFlows = ({ settings: { type } }: ResolvedSink): boolean =>
  type === 'archive' || type === 'detections';

/** Where a sink takes both, this process gives it one. */
function takes({ settings }: ResolvedSink, records: RecordKind): boolean {
  return (settings.records ?? records) === records;
}

const flowSinkOf = (sink: ResolvedSink): ResolvedSink => ({
  ...sink,
  settings: { ...sink.settings, records: 'flows' },
});

function accessSinkOf(sink: ResolvedSink): ResolvedSink {
  const { settings } = sink;
  if (settings.type !== 'file') return { ...sink, settings: { ...settings, records: 'access' } };
  const path = settings.records === undefined ? accessPathOf(settings.path) : settings.path;
  return { ...sink, settings: { ...settings, path, records: 'access' }, isGuarded: true };
}
