import { retentionClasses, retentionClassOf } from '../retention.ts';
import type { RetentionClass } from '../retention.ts';
import { memberOf } from '../shipper/spool-item.ts';
import type { FlowRecord } from '../shipper/spool-item.ts';

/** One hour of records that are kept equally long: what is over goes by whole files. */
export interface Partition {
  readonly keep: RetentionClass;
  /** Epoch milliseconds at which the hour begins. */
  readonly hour: number;
}

export const hourMs = 3_600_000;
/** 9999-12-31: what says to be later is no time that anybody could search for. */
const latest = 253_370_764_800_000;

/** By when it happened; what does not say that is of the hour in which it is archived. */
export function partitionOf(record: FlowRecord, now: number): Partition {
  const time = memberOf(record, 'time');
  const isTime = typeof time === 'number' && time >= 0 && time < latest;
  return { keep: retentionClassOf(record), hour: hourMs * Math.floor((isTime ? time : now) / hourMs) };
}

/** `keep=flows/date=2026-11-27/hour=13`, in UTC: as Hive writes partitions, so that others can read them. */
export function partitionPath({ keep, hour }: Partition): string {
  const text = new Date(hour).toISOString();
  return `keep=${keep}/date=${text.slice(0, 10)}/hour=${text.slice(11, 13)}`;
}

const pattern = /^keep=([a-z]+)\/date=(\d{4}-\d{2}-\d{2})\/hour=(\d{2})$/;

/** Undefined for anything that is not exactly the path of a partition. */
export function parsePartitionPath(path: string): Partition | undefined {
  const [, name = '', date = '', hour = ''] = pattern.exec(path) ?? [];
  const keep = retentionClasses.find((known) => known === name);
  const time = Date.parse(`${date}T${hour}:00:00Z`);
  return keep === undefined || Number.isNaN(time) ? undefined : { keep, hour: time };
}
