import type { ElasticsearchSinkSettings } from '../../contract/sinks.ts';
import { memberOf, textOf } from '../shipper/spool-item.ts';
import { basicAuthorization, createPoster, describeAnswer, parseAnswer } from './poster.ts';
import type { ResolvedSink } from './resolved-sink.ts';
import { BatchRefused } from './sink.ts';
import type { RefusedRecord, Sink } from './sink.ts';

/**
 * The `_bulk` API of Elasticsearch and OpenSearch. Each document is created under its record's `uid`, so that one that comes
 * twice is there once. A document that the receiver will never take (a mapping that does not fit) is refused alone; when it
 * is too busy for some, all are sent again, and those that it has stay as they are.
 */
export function createElasticsearchSink(
  settings: ElasticsearchSinkSettings,
  { tls, secret }: ResolvedSink,
): Sink {
  const { url, timeoutSeconds, index, auth } = settings;
  const authorization =
    auth === undefined || secret === undefined
      ? {}
      : {
          authorization: 'username' in auth ? basicAuthorization(auth.username, secret) : `ApiKey ${secret}`,
        };
  const poster = createPoster({ url, timeoutSeconds, tls, headers: authorization });
  return {
    maxUnacknowledged: 1,
    async send(batch) {
      const lines = batch.map(({ record, text }) => {
        const uid = textOf(record, 'metadata', 'uid');
        return `${JSON.stringify({ create: { _index: index, ...(uid === undefined ? {} : { _id: uid }) } })}\n${text}\n`;
      });
      const answer = await poster.post(
        '/_bulk?filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason',
        lines.join(''),
        { 'content-type': 'application/x-ndjson' },
      );
      if (answer.status === 413) throw new BatchRefused(describeAnswer(answer));
      if (answer.status !== 200) throw new Error(describeAnswer(answer));
      return { refused: readItems(parseAnswer(answer.text), batch.length) };
    },
    close: () => poster.close(),
  };
}

/** @throws where some have to be sent again */
function readItems(answer: unknown, count: number): readonly RefusedRecord[] {
  if (memberOf(answer, 'errors') === false) return [];
  const items = memberOf(answer, 'items');
  if (!Array.isArray(items) || items.length !== count)
    throw new Error('the receiver answers something else than a bulk');
  const refused: RefusedRecord[] = [];
  for (const [index, item] of items.entries()) {
    const status = memberOf(item, 'create', 'status');
    const reason = `${textOf(item, 'create', 'error', 'type')}: ${textOf(item, 'create', 'error', 'reason')}`;
    // 409: it is there from an earlier attempt.
    if (status === 200 || status === 201 || status === 409) continue;
    if (status === 400) refused.push({ index, reason });
    // Too busy, no such index, not allowed: nothing that would be the record's fault.
    else throw new Error(`the receiver answers ${String(status)} for a record: ${reason}`);
  }
  return refused;
}
