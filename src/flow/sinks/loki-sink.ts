import type { LokiSinkSettings } from '../../contract/sinks.ts';
import { textOf } from '../shipper/spool-item.ts';
import { basicAuthorization, createPoster, describeAnswer } from './poster.ts';
import type { ResolvedSink } from './resolved-sink.ts';
import { BatchRefused } from './sink.ts';
import type { OutgoingRecord, Sink } from './sink.ts';

/**
 * Grafana Loki's push API. Labels are few and bounded: `service_name`, `gateway` and `class`; all else is in the line. Loki takes
 * one line with one time once, however often it comes.
 */
export function createLokiSink(settings: LokiSinkSettings, { tls, secret }: ResolvedSink): Sink {
  const { url, timeoutSeconds, auth, tenant } = settings;
  const poster = createPoster({
    url,
    timeoutSeconds,
    tls,
    headers: {
      'content-type': 'application/json',
      ...(tenant === undefined ? {} : { 'x-scope-orgid': tenant }),
      ...(auth === undefined || secret === undefined
        ? {}
        : {
            authorization:
              'username' in auth ? basicAuthorization(auth.username, secret) : `Bearer ${secret}`,
          }),
    },
  });
  return {
    maxUnacknowledged: 1,
    async send(batch) {
      const answer = await poster.post('/loki/api/v1/push', formatPush(batch), {});
      // Among them are records older than it takes, and lines that are too long: those are found one by one.
      if (answer.status === 400 || answer.status === 413) throw new BatchRefused(describeAnswer(answer));
      if (answer.status !== 204 && answer.status !== 200) throw new Error(describeAnswer(answer));
      return {};
    },
    close: () => poster.close(),
  };
}

function formatPush(batch: readonly OutgoingRecord[]): string {
  const streams = Map.groupBy(batch, ({ record }) =>
    JSON.stringify({
      service_name: 'postern',
      class: textOf(record, 'class_uid') ?? 'unknown',
      gateway: textOf(record, 'unmapped', 'postern', 'gateway') ?? 'unknown',
    }),
  );
  return JSON.stringify({
    streams: [...streams].map(([labels, records]) => ({
      stream: JSON.parse(labels) as object,
      // Nanoseconds, as text.
      values: records.map(({ record, text }) => [`${Number(record['time'] ?? 0)}000000`, text]),
    })),
  });
}
