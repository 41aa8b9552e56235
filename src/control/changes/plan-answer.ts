import type { ApplyResponse } from '../../contract/control-api.ts';
import { GatewayError } from '../../contract/gateway-error.ts';
import type { LedgerHead } from '../../domain/control-state.ts';
import type { ResourceProblem } from '../../domain/resource-findings.ts';
import { policyVersionOf } from '../../policy/policy-version.ts';
import type { Plan } from './plan-resources.ts';

/** `App grants: upstreams[0]: message`; policies say their line too. */
const formatProblem = ({ kind, name, key, message, line }: ResourceProblem): string =>
  `${kind} ${name}: ${key === '' ? '' : `${key}${line === undefined ? '' : ` line ${line}`}: `}${message}`;

/** The plan. @throws GatewayError with every problem, where there is none. */
export function planOrThrow(planned: Plan | { readonly problems: readonly ResourceProblem[] }): Plan {
  if ('problems' in planned)
    throw new GatewayError('invalid-input', { problems: planned.problems.map(formatProblem) });
  return planned;
}

/** A plan as the API tells of it; `head` is that of the ledger when it was made or done. */
export const planAnswer = (
  applied: boolean,
  { changes, warnings }: Plan,
  head: LedgerHead,
  waiting?: ApplyResponse['waiting'],
): ApplyResponse => ({
  applied,
  changes: [...changes],
  version: policyVersionOf(head),
  warnings: warnings.map(formatProblem),
  ...(waiting === undefined ? {} : { waiting }),
});
