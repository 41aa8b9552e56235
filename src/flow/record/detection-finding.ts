import type { Finding } from '../../domain/finding.ts';
import { bound, textLimits } from './safe-text.ts';
import type { ServiceRecord } from './service-record.ts';

/** How many flows a finding names, and how many numbers it has. */
export const findingLimits = { flows: 100, counts: 32 } as const;

const activities = { new: [1, 'Create'], updated: [2, 'Update'], closed: [3, 'Close'] } as const;
const severities = { informational: 1, low: 2, medium: 3, high: 4, critical: 5 } as const;

/** OCSF class 2004: a detection, its numbers, and the flows that show it. */
export function detectionFinding(finding: Finding): ServiceRecord {
  const { id, rule, severity, user, device, app, flows, malware } = finding;
  const [activityId, activityName] = activities[finding.state];
  const shown = flows.slice(0, findingLimits.flows).map((flow) => bound(flow, 64));
  const counts = Object.entries(finding.counts).slice(0, findingLimits.counts);
  return {
    classUid: 2004,
    className: 'Detection Finding',
    activityId,
    activityName,
    time: finding.at,
    severityId: severities[severity],
    // New, or resolved.
    statusId: finding.state === 'closed' ? 4 : 1,
    profiles: ['host', 'security_control'],
    correlation: bound(id, 64),
    members: {
      finding_info: {
        uid: bound(id, 64),
        title: bound(finding.title, textLimits.host),
        desc: bound(finding.description, textLimits.detail),
        analytic: { type_id: 1, type: 'Rule', name: bound(rule, 64), uid: bound(rule, 64) },
        first_seen_time: Math.trunc(finding.firstSeenAt),
        last_seen_time: Math.trunc(finding.lastSeenAt),
        ...(shown.length === 0
          ? {}
          : {
              related_events: shown.map((uid) => ({ uid, type: 'flow' })),
              related_events_count: flows.length,
            }),
      },
      is_alert: true,
      ...(user === undefined
        ? {}
        : { actor: { user: { name: bound(user, textLimits.host), type: 'User', type_id: 1 } } }),
      ...(device === undefined
        ? {}
        : { device: { uid: bound(device, textLimits.host), type: 'Laptop', type_id: 3 } }),
      ...(malware === undefined ? {} : { malware: [malwareObject(malware)] }),
    },
    postern: {
      rule: bound(rule, 64),
      user: user === undefined ? null : bound(user, textLimits.host),
      device: device === undefined ? null : bound(device, textLimits.host),
      app: app === undefined ? null : bound(app, textLimits.host),
      flows: shown,
      flowCount: flows.length,
      counts: Object.fromEntries(counts.map(([name, count]) => [bound(name, 64), count])),
    },
  };
}

/** Of which class a malware is its name says to people at most. */
const malwareObject = ({ signature, sha256, size }: NonNullable<Finding['malware']>): object => ({
  name: bound(signature, textLimits.host),
  classification_ids: [0],
  classifications: ['Unknown'],
  files: [
    {
      // A content has no name of its own; its hash is what people look for.
      name: sha256,
      type_id: 1,
      type: 'Regular File',
      size,
      hashes: [{ algorithm_id: 3, algorithm: 'SHA-256', value: sha256 }],
    },
  ],
});
