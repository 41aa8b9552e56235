import type { Settings } from '../contract/settings.ts';
import { memberOf } from './shipper/spool-item.ts';

/**
 * How long a record has to be there, and when it has to be gone: *flows* what was let through, with heartbeats and sessions
 * of agents; *security* sign-ins, refusals and findings; *administration* what administrators read and changed.
 */
export const retentionClasses = ['flows', 'security', 'administration'] as const;
export type RetentionClass = (typeof retentionClasses)[number];

/** Whole days, by class. */
export type RetentionDays = Readonly<Record<RetentionClass, number>>;

export const usualRetention: RetentionDays = { flows: 90, security: 365, administration: 730 };

const authentication = 3002;
const entityManagement = 3004;
const apiActivity = 6003;
const detectionFinding = 2004;

/** The class of a record, as it was parsed. */
export function retentionClassOf(record: unknown): RetentionClass {
  switch (memberOf(record, 'class_uid')) {
    case authentication:
    case detectionFinding:
      return 'security';
    case apiActivity:
      return 'administration';
    case entityManagement:
      // A worker says with the same class that it lives.
      return memberOf(record, 'unmapped', 'postern', 'event') === undefined ? 'flows' : 'administration';
    default:
      return memberOf(record, 'action') === 'Denied' ? 'security' : 'flows';
  }
}

/** What the settings say, and the usual days where they say nothing. */
export function retentionDaysOf({ flows, accessLog }: Pick<Settings, 'flows' | 'accessLog'>): RetentionDays {
  return {
    flows: flows?.retention?.flowsDays ?? usualRetention.flows,
    security: flows?.retention?.securityDays ?? usualRetention.security,
    administration: accessLog?.keepDays ?? usualRetention.administration,
  };
}
