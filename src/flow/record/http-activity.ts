import type { FlowFacts, FlowOutcome } from '../../domain/flow.ts';
import type { Context } from './context.ts';
import { activityOf } from './envelope.ts';
import type { Activity, Draft, Origin } from './envelope.ts';
import { splitAuthority } from './parties.ts';
import { asciiMembers, bound, pathOnly, quote, quotePath, textLimits } from './safe-text.ts';
import { trafficMembers } from './traffic.ts';

/** Methods that OCSF 1.8.0 has an activity for; others are activity 99 under their own name. */
const activityIds = {
  CONNECT: 1,
  DELETE: 2,
  GET: 3,
  HEAD: 4,
  OPTIONS: 5,
  POST: 6,
  PUT: 7,
  TRACE: 8,
  PATCH: 9,
} as const;

/** Of the methods that have one. */
export const httpActivities = (origin: Origin): ReadonlyMap<string, Activity> =>
  new Map(
    Object.entries(activityIds).map(([method, id]) => {
      const name = `${method.charAt(0)}${method.slice(1).toLowerCase()}`;
      return [method, activityOf(4002, 'HTTP Activity', id, name, origin)];
    }),
  );

/** OCSF class 4002: one HTTP request, answered, refused or broken off. */
export function createHttpActivity(
  origin: Origin,
): (facts: FlowFacts, outcome: FlowOutcome, context: Context) => Draft {
  const activities = httpActivities(origin);
  const unknown = activityOf(4002, 'HTTP Activity', 0, 'Unknown', origin);
  return (facts, outcome, context) => {
    const { request } = facts;
    if (request === undefined) return draftOf(unknown, facts, outcome, context, '"url":{"path":""}', []);
    const known = activities.get(request.method);
    const activity =
      known ??
      activityOf(4002, 'HTTP Activity', 99, bound(request.method, textLimits.method) || 'Other', origin);
    const path = quotePath(request.path);
    const members = `${requestMembers(request, known !== undefined)},"url":{${urlMembers(request)},"path":${path}}`;
    return draftOf(activity, facts, outcome, context, members, truncatedTexts(request));
  };
}

function draftOf(
  activity: Activity,
  facts: FlowFacts,
  outcome: FlowOutcome,
  context: Context,
  request: string,
  truncated: readonly string[],
): Draft {
  const response = outcome.status === undefined ? '' : `,"http_response":{"code":${outcome.status}}`;
  const members = `,"http_request":{${request}}${response},${trafficMembers(outcome)},${context.network}`;
  return {
    activity,
    content: 'request',
    facts,
    outcome,
    time: outcome.endedAt,
    members,
    context,
    postern: ',"context":null,"batch":null',
    truncated,
  };
}

type Request = NonNullable<FlowFacts['request']>;

/** What a client repeats with each request. */
export const requestMembers = ({ method, httpVersion, userAgent }: Request, isMethodKnown: boolean): string =>
  (isMethodKnown ? `"http_method":"${method}",` : '') +
  `"version":"${httpVersion}"` +
  (userAgent === undefined || userAgent === ''
    ? ''
    : `,"user_agent":${quote(userAgent, textLimits.userAgent)}`);

export function urlMembers({ authority, scheme }: Request): string {
  const { host, port } = splitAuthority(authority);
  return asciiMembers({ hostname: host, ...(port === undefined ? {} : { port }), scheme });
}

export function truncatedTexts(request: Request): readonly string[] {
  const { method, authority, path, userAgent = '' } = request;
  if (
    path.length <= textLimits.path &&
    userAgent.length <= textLimits.userAgent &&
    authority.length <= textLimits.host &&
    method.length <= textLimits.method
  )
    return none;
  const lengths = { method, authority, path: pathOnly(path), userAgent };
  const limits = { ...textLimits, authority: textLimits.host };
  const names = ['method', 'authority', 'path', 'userAgent'] as const;
  return names.filter((name) => lengths[name].length > limits[name]);
}

const none: readonly string[] = [];
