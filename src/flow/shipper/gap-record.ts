import { hash } from 'node:crypto';
import { originMembers } from '../record/envelope.ts';
import type { Origin } from '../record/envelope.ts';
import { streamName } from '../spool/segment-names.ts';
import type { FlowRecord, Gap } from './spool-item.ts';

/**
 * Tells a receiver which records it will never see, as a finding (OCSF class 2004) among the records that it does see. It
 * is of no chain and has no sequence. Told again, it has the same `uid`.
 * @param now epoch milliseconds
 */
export function buildGapRecord(gap: Gap, sink: string, origin: Origin, now: number): FlowRecord {
  const { stream, from, to, reason } = gap;
  const uid = uidOf(JSON.stringify([sink, streamName(stream), from, to]));
  const range = to === null ? `from ${from} on` : from === to ? `${from}` : `${from} to ${to}`;
  const message =
    reason === 'retention'
      ? `records ${range} of worker ${stream.worker} were removed, their time being over, before this receiver had them`
      : `records ${range} of worker ${stream.worker} are not in the spool: postern flows verify says more`;
  return {
    class_uid: 2004,
    class_name: 'Detection Finding',
    category_uid: 2,
    activity_id: 1,
    activity_name: 'Create',
    type_uid: 200401,
    time: now,
    severity_id: reason === 'retention' ? 3 : 4,
    status_id: 1,
    message,
    metadata: {
      ...originMembers(origin),
      profiles: [],
      uid,
      logged_time: now,
    },
    finding_info: {
      uid,
      title: 'Flow records are missing',
      desc: message,
      types: ['flow-records-missing'],
      created_time: now,
    },
    unmapped: {
      postern: {
        sink,
        gap: {
          worker: stream.worker,
          boot: stream.bootId,
          workerStartedAt: stream.startedAt,
          from,
          to,
          reason,
        },
      },
    },
  };
}

/** A UUID of version 8 (RFC 9562, section 5.8). */
function uidOf(text: string): string {
  const digits = hash('sha256', `postern-gap-1 ${text}`, 'hex').split('');
  digits[12] = '8';
  digits[16] = '89ab'[Number.parseInt(digits[16] ?? '0', 16) % 4] ?? '8';
  return digits
    .slice(0, 32)
    .join('')
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
