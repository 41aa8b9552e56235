import type { FlowFacts, FlowOutcome, TunnelTraffic } from '../../domain/flow.ts';
import type { Context } from './context.ts';
import { activityOf } from './envelope.ts';
import type { Activity, Draft, Origin } from './envelope.ts';
import { truncatedTexts } from './http-activity.ts';
import { splitAuthority } from './parties.ts';
import { asciiMembers, bound, pathOnly, textLimits } from './safe-text.ts';
import { partialTrafficMembers, trafficMembers } from './traffic.ts';
import { judgeOutcome } from './verdict.ts';

type Outcome = (facts: FlowFacts, outcome: FlowOutcome, context: Context) => Draft;

export interface NetworkActivity {
  readonly opened: (facts: FlowFacts, time: number, context: Context) => Draft;
  /** What it carried since the last record of this kind; `cumulative_traffic` is all of it. */
  readonly traffic: (facts: FlowFacts, traffic: TunnelTraffic, context: Context) => Draft;
  readonly closed: Outcome;
  /** One that never carried bytes: refused, or failed at the upstream. */
  readonly refused: Outcome;
}

/** OCSF class 4001: a tunnel or an upgraded connection. All records of one bear the same flow id. */
export function createNetworkActivity(origin: Origin): NetworkActivity {
  const named = (id: number, name: string) => activityOf(4001, 'Network Activity', id, name, origin);
  const activities = {
    open: named(1, 'Open'),
    close: named(2, 'Close'),
    fail: named(4, 'Fail'),
    refuse: named(5, 'Refuse'),
    traffic: named(6, 'Traffic'),
  };
  return {
    opened: (facts, time, context) => ({
      activity: activities.open,
      content: 'tunnel',
      facts,
      outcome: undefined,
      time,
      members: `${urlMember(facts)},${context.network}`,
      context,
      ...detailsOf(facts),
    }),
    traffic: (facts, traffic, context) => ({
      activity: activities.traffic,
      content: 'tunnel',
      facts,
      outcome: undefined,
      time: traffic.at,
      members: `${urlMember(facts)},${partialTrafficMembers(traffic)},${context.network}`,
      context,
      ...detailsOf(facts),
    }),
    closed: (facts, outcome, context) => endOf(activities.close, facts, outcome, context),
    refused(facts, outcome, context) {
      const { action } = judgeOutcome(outcome.refusal, facts.decision?.effect === 'allow');
      return endOf(action === 'Denied' ? activities.refuse : activities.fail, facts, outcome, context);
    },
  };
}

const endOf = (activity: Activity, facts: FlowFacts, outcome: FlowOutcome, context: Context): Draft => ({
  activity,
  content: 'tunnel',
  facts,
  outcome,
  time: outcome.endedAt,
  members: `${urlMember(facts)},${trafficMembers(outcome)},${context.network}`,
  context,
  ...detailsOf(facts, outcome),
});

function urlMember({ request }: FlowFacts): string {
  if (request === undefined) return '';
  const { host, port } = splitAuthority(request.authority);
  const url = {
    hostname: host,
    ...(port === undefined ? {} : { port }),
    url_string: port === undefined ? host : `${host}:${port}`,
  };
  return `,${asciiMembers({ url })}`;
}

/** What class 4001 has no attribute for. */
function detailsOf(
  { request }: FlowFacts,
  outcome?: FlowOutcome,
): { postern: string; truncated: readonly string[] } {
  const details = asciiMembers({
    method: request === undefined ? null : bound(request.method, textLimits.method),
    path: request === undefined ? null : bound(pathOnly(request.path), textLimits.path),
    userAgent: request?.userAgent === undefined ? null : bound(request.userAgent, textLimits.userAgent),
    httpStatus: outcome?.status ?? null,
  });
  return { postern: `,${details}`, truncated: request === undefined ? [] : truncatedTexts(request) };
}
