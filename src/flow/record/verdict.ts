import { refusals } from '../../contract/refusals.ts';
import type { RefusalCode } from '../../contract/refusals.ts';
import type { FlowOutcome } from '../../domain/flow.ts';
import { asciiMembers, bound, textLimits } from './safe-text.ts';

/** How OCSF names what became of a flow (profile security_control, and the status of the event). */
export interface Verdict {
  readonly status: 'Success' | 'Failure';
  readonly action: 'Allowed' | 'Denied';
  readonly disposition: keyof typeof dispositions;
  readonly severity: keyof typeof severities;
}

const statuses = { Success: 1, Failure: 2 } as const;
const actions = { Allowed: 1, Denied: 2 } as const;
const dispositions = {
  Allowed: 1,
  Blocked: 2,
  'Access Revoked': 24,
  Rejected: 25,
  Unauthorized: 26,
  Error: 27,
} as const;
const severities = { Informational: 1, Low: 2, Medium: 3, High: 4, Critical: 5 } as const;

const passed: Verdict = {
  status: 'Success',
  action: 'Allowed',
  disposition: 'Allowed',
  severity: 'Informational',
};

/** Refusals that a SOC wants to see among a thousand others: stolen credentials, lost laptops, broken walls. */
const graver: Readonly<Partial<Record<RefusalCode, Verdict['severity']>>> = {
  'isolation-breach': 'Critical',
  'token-bound-elsewhere': 'High',
  'token-signature': 'Medium',
  'request-suspicious': 'Medium',
  'protocol-unexpected': 'Medium',
  'malware-found': 'High',
  'data-loss': 'Medium',
  'certificate-untrusted': 'Medium',
  'certificate-unknown': 'Medium',
  'device-revoked': 'Medium',
  'device-lost': 'High',
};

const isRefusalCode = (code: string): code is RefusalCode => Object.hasOwn(refusals, code);

/**
 * @param wasAllowed whether a policy had let the flow through: what fails after that is the upstream's fault, and the
 *   record must not read as if access had been denied.
 */
export function judgeOutcome(refusal: string | undefined, wasAllowed: boolean): Verdict {
  if (refusal === undefined) return passed;
  const severity = (isRefusalCode(refusal) ? graver[refusal] : undefined) ?? 'Low';
  const httpStatus = isRefusalCode(refusal) ? refusals[refusal].status : 500;
  if (refusal === 'grant-ended')
    return { status: 'Failure', action: 'Denied', disposition: 'Access Revoked', severity };
  if (httpStatus >= 500)
    return { status: 'Failure', action: wasAllowed ? 'Allowed' : 'Denied', disposition: 'Error', severity };
  const disposition = httpStatus === 401 ? 'Unauthorized' : httpStatus === 403 ? 'Blocked' : 'Rejected';
  return { status: 'Failure', action: 'Denied', disposition, severity };
}

function verdictMembers(verdict: Verdict): string {
  const { severity, status, action, disposition } = verdict;
  return asciiMembers({
    severity_id: severities[severity],
    status_id: statuses[status],
    action_id: actions[action],
    action,
    disposition_id: dispositions[disposition],
    disposition,
  });
}

/** Of what was let through and did not fail. */
export const allowedVerdict = verdictMembers(passed);

/** Members of a record that say how it ended. */
export function formatVerdict(outcome: FlowOutcome | undefined, wasAllowed: boolean): string {
  if (outcome?.refusal === undefined) return allowedVerdict;
  const { refusal, detail } = outcome;
  const title = isRefusalCode(refusal) ? refusals[refusal].title.en : refusal;
  const reason = asciiMembers({
    status_code: bound(refusal, 64),
    status_detail: bound(detail ?? title, textLimits.detail),
  });
  return `${verdictMembers(judgeOutcome(refusal, wasAllowed))},${reason}`;
}
