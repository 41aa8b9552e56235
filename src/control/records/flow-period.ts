import { GatewayError } from '../../contract/gateway-error.ts';

const dayMs = 86_400_000;

export interface FlowPeriod {
  /** Epoch milliseconds; `until` is not in it. */
  readonly since: number;
  readonly until: number;
}

/**
 * The period that a query asks for: up to now and, since clocks differ, a day beyond; from `usualDays` before its end.
 * @throws GatewayError for one that nothing can be in: its empty answer would read as if nothing had happened
 */
export function flowPeriodOf(
  query: { readonly since?: string; readonly until?: string },
  now: number,
  usualDays: number,
): FlowPeriod {
  const until = query.until === undefined ? now + dayMs : Number(query.until);
  const since = query.since === undefined ? Math.min(now, until) - usualDays * dayMs : Number(query.since);
  if (since >= until)
    throw new GatewayError('invalid-input', {
      problems: [
        query.until === undefined
          ? 'since: is in the future'
          : 'until: is not after the beginning of the period',
      ],
    });
  return { since, until };
}
