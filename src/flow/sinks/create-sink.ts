import type { Origin } from '../record/envelope.ts';
import type { RetentionDays } from '../retention.ts';
import type { ResolvedSink } from './resolved-sink.ts';
import type { Sink } from './sink.ts';

/** What a sink may need of the server that it is of. */
export interface SinkPlace {
  /** Of the cursors; for what it has to remember. */
  readonly sinkDirectory: string;
  readonly archiveDirectory: string;
  /** Of the workers' records. */
  readonly flowDirectory: string;
  readonly origin: Origin;
  readonly bootId: string;
  /** As its certificate bears it. */
  readonly gateway: string;
  /** How long records are kept here, by class; what holds them elsewhere is asked for the same. */
  readonly retention: RetentionDays;
  readonly onTrouble: (problem: string) => void;
}

/**
 * The sink of its settings. It connects to nothing before it is given something to send. What it is made of is loaded only
 * here: nobody pays with memory for the client library of a receiver that he does not have.
 */
export async function createSink(resolved: ResolvedSink, place: SinkPlace): Promise<Sink> {
  const { settings, tls } = resolved;
  switch (settings.type) {
    case 'archive':
      return (await import('../archive/archive-sink.ts')).createArchiveSink(settings, place);
    case 'detections':
      return (await import('./detections/detections-sink.ts')).createDetectionsSink(settings, place);
    case 's3':
      return (await import('../archive/s3-sink.ts')).createS3Sink(settings, resolved, place);
    case 'file':
      return (await import('./file-sink.ts')).createFileSink(settings, Date.now, resolved.isGuarded);
    case 'syslog':
      return (await import('./syslog-sink.ts')).createSyslogSink(settings, tls);
    case 'elasticsearch':
      return (await import('./elasticsearch-sink.ts')).createElasticsearchSink(settings, resolved);
    case 'splunk':
      return (await import('./splunk-sink.ts')).createSplunkSink(settings, resolved);
    case 'loki':
      return (await import('./loki-sink.ts')).createLokiSink(settings, resolved);
    case 'redis':
      return (await import('./redis-sink.ts')).createRedisSink(settings, resolved);
    case 'nats':
      return (await import('./nats-sink.ts')).createNatsSink(settings, resolved);
  }
}
