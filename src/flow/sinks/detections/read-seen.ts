import { BoundedMap } from '../../../detections/bounded-map.ts';
import type { Seen } from '../../../detections/detection.ts';
import { memberOf } from '../../shipper/spool-item.ts';
import type { FlowRecord } from '../../shipper/spool-item.ts';

const kinds: Readonly<Record<number, Seen['kind']>> = {
  4002: 'request',
  4001: 'tunnel',
  3002: 'sign-in',
  2004: 'finding',
};
const [closed, traffic] = [2, 6];

/** Reads records for detections. It remembers what open tunnels carried, so that no byte counts twice. */
export interface SeenReader {
  /** Undefined for what no detection looks at. */
  read(record: FlowRecord): Seen | undefined;
  save(): unknown;
}

export function createSeenReader(saved?: unknown): SeenReader {
  /** Bytes of each open tunnel that were counted. */
  const counted = new BoundedMap<number>(20_000, saved);

  function bytesOf(record: FlowRecord, flow: string): number {
    // What a tunnel carries is counted there.
    if (ours(record, 'parent') !== undefined) return 0;
    const bytes = numberOf(record, 'traffic', 'bytes') ?? 0;
    if (record['class_uid'] !== 4001) return bytes;
    const before = counted.get(flow) ?? 0;
    if (record['activity_id'] === traffic) counted.set(flow, before + bytes);
    // The last record of a tunnel has the bytes of all of it.
    return record['activity_id'] === closed ? Math.max(0, bytes - before) : bytes;
  }

  return {
    read(record) {
      const { class_uid: classUid, activity_id: activity, time } = record;
      const kind = typeof classUid === 'number' ? kinds[classUid] : undefined;
      if (kind === undefined || typeof time !== 'number') return undefined;
      const flow = ours(record, 'flow') ?? '';
      const rule = ours(record, 'rule');
      return {
        kind: classUid === 4001 && (activity === closed || activity === traffic) ? 'traffic' : kind,
        at: time,
        flow,
        isDenied: record['action'] === 'Denied',
        refusal: ours(record, 'refusal'),
        user: ours(record, 'user') ?? userOf(record),
        device: ours(record, 'device'),
        app: ours(record, 'app'),
        address: text(memberOf(record, 'src_endpoint', 'ip')),
        bytes: bytesOf(record, flow),
        ja4: ours(record, 'ja4'),
        posture: postureOf(record),
        rule,
        evidence: evidenceOf(record),
      };
    },
    save: () => counted.save(),
  };
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const ours = (record: FlowRecord, name: string): string | undefined =>
  text(memberOf(record, 'unmapped', 'postern', name));

function numberOf(record: FlowRecord, ...path: readonly string[]): number | undefined {
  const value = memberOf(record, ...path);
  return typeof value === 'number' ? value : undefined;
}

/** Of a sign-in, once a token said who it is. */
function userOf(record: FlowRecord): string | undefined {
  return memberOf(record, 'user', 'type_id') === 1 ? text(memberOf(record, 'user', 'name')) : undefined;
}

function postureOf(record: FlowRecord): Seen['posture'] {
  const posture = memberOf(record, 'unmapped', 'postern', 'posture');
  const measuredAt = memberOf(posture, 'measuredAt');
  return typeof measuredAt === 'number' && typeof posture === 'object'
    ? { measuredAt, checks: posture as Readonly<Record<string, unknown>> }
    : undefined;
}

function evidenceOf(record: FlowRecord): readonly string[] {
  const flows = memberOf(record, 'unmapped', 'postern', 'flows');
  return Array.isArray(flows) ? flows.filter((flow): flow is string => typeof flow === 'string') : [];
}
