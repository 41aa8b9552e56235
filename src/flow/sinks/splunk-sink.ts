import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { SplunkSinkSettings } from '../../contract/sinks.ts';
import { memberOf, textOf } from '../shipper/spool-item.ts';
import { createPoster, describeAnswer, parseAnswer } from './poster.ts';
import type { ResolvedSink } from './resolved-sink.ts';
import { BatchRefused } from './sink.ts';
import type { OutgoingRecord, Sink } from './sink.ts';

export interface SplunkTimes {
  readonly askEveryMs: number;
  /** What is not indexed by then is sent again. */
  readonly indexedWithinMs: number;
}

const usualTimes: SplunkTimes = { askEveryMs: 1000, indexedWithinMs: 120_000 };

/** What is wrong with an event, rather than with the token, channel, index or server. */
const eventFaults = new Set([5, 6, 12, 13, 15]);

/**
 * Splunk's HTTP Event Collector. With indexer acknowledgment a batch counts as delivered when Splunk says that it is indexed;
 * without, when it was taken.
 */
export function createSplunkSink(
  settings: SplunkSinkSettings,
  { tls, secret = '' }: ResolvedSink,
  times: SplunkTimes = usualTimes,
): Sink {
  const { url, timeoutSeconds, acknowledge, index, format, sourcetype = `postern:${format}` } = settings;
  const headers = {
    authorization: `Splunk ${secret}`,
    'content-type': 'application/json',
    // One for each process: the receiver keeps acknowledgements apart by it.
    'x-splunk-request-channel': randomUUID(),
  };
  const poster = createPoster({ url, timeoutSeconds, tls, headers });
  const closing = new AbortController();

  function formatEvent({ record, text }: OutgoingRecord): string {
    const time = record['time'];
    const host = textOf(record, 'unmapped', 'postern', 'gateway');
    const meta = JSON.stringify({
      ...(typeof time === 'number' ? { time: time / 1000 } : {}),
      ...(host === undefined ? {} : { host }),
      source: 'postern',
      sourcetype,
      ...(index === undefined ? {} : { index }),
    });
    return `${meta.slice(0, -1)},"event":${format === 'cef' ? JSON.stringify(text) : text}}`;
  }

  async function indexed(id: number): Promise<void> {
    const deadline = performance.now() + times.indexedWithinMs;
    for (;;) {
      await pause(times.askEveryMs, undefined, { signal: closing.signal });
      const answer = await poster.post('/services/collector/ack', JSON.stringify({ acks: [id] }), {});
      if (answer.status !== 200) throw new Error(describeAnswer(answer));
      if (memberOf(parseAnswer(answer.text), 'acks', String(id)) === true) return;
      if (performance.now() > deadline)
        throw new Error(`the receiver did not index a batch within ${times.indexedWithinMs / 1000} s`);
    }
  }

  return {
    maxUnacknowledged: 32,
    async send(batch) {
      const answer = await poster.post('/services/collector/event', batch.map(formatEvent).join('\n'), {});
      const said = parseAnswer(answer.text);
      if (answer.status === 413 || (answer.status === 400 && eventFaults.has(Number(memberOf(said, 'code')))))
        throw new BatchRefused(describeAnswer(answer));
      if (answer.status !== 200) throw new Error(describeAnswer(answer));
      if (!acknowledge) return {};
      const id = memberOf(said, 'ackId');
      if (typeof id !== 'number')
        throw new Error('the receiver acknowledges nothing: turn on indexer acknowledgment for the token');
      return { acknowledged: indexed(id) };
    },
    async close() {
      closing.abort();
      await poster.close();
    },
  };
}
