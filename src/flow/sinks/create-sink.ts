import type { ResolvedSink } from '../../contract/sinks.ts';
import { createFileSink } from './file-sink.ts';
import type { Sink } from './sink.ts';
import { createSyslogSink } from './syslog-sink.ts';

/** The sink of its settings. It connects to nothing before it is given something to send. */
export function createSink({ settings, tls }: ResolvedSink): Sink {
  switch (settings.type) {
    case 'file':
      return createFileSink(settings);
    case 'syslog':
      return createSyslogSink(settings, tls);
  }
}
