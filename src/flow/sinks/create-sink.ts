import { createLokiSink } from './loki-sink.ts';
import { createNatsSink } from './nats-sink.ts';
import { createRedisSink } from './redis-sink.ts';
import { createSplunkSink } from './splunk-sink.ts';
import type { ResolvedSink } from './resolved-sink.ts';
import { createElasticsearchSink } from './elasticsearch-sink.ts';
import { createFileSink } from './file-sink.ts';
import type { Sink } from './sink.ts';
import { createSyslogSink } from './syslog-sink.ts';

/** The sink of its settings. It connects to nothing before it is given something to send. */
export function createSink(resolved: ResolvedSink): Sink {
  const { settings, tls } = resolved;
  switch (settings.type) {
    case 'file':
      return createFileSink(settings);
    case 'syslog':
      return createSyslogSink(settings, tls);
    case 'elasticsearch':
      return createElasticsearchSink(settings, resolved);
    case 'splunk':
      return createSplunkSink(settings, resolved);
    case 'loki':
      return createLokiSink(settings, resolved);
    case 'redis':
      return createRedisSink(settings, resolved);
    case 'nats':
      return createNatsSink(settings, resolved);
  }
}
