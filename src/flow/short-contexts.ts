import type { FlowFacts, FlowOutcome } from '../domain/flow.ts';
import type { Context, ShortContext } from './context.ts';
import type { Origin } from './envelope.ts';
import { contextHash } from './frames/context.ts';
import { httpActivities, requestMembers, truncatedTexts, urlMembers } from './http-activity.ts';
import { formatInspection } from './inspection.ts';
import { allowedVerdict } from './verdict.ts';

type Request = NonNullable<FlowFacts['request']>;

/** Kinds of requests remembered for one context; a client that makes up more has its records written whole. */
const mostKinds = 16;

/**
 * The context of a request's record, where it can be written short: the request was let through and answered, and nothing of
 * it was cut. Nearly all are.
 */
export function createShortContexts(
  origin: Origin,
): (facts: FlowFacts, outcome: FlowOutcome, context: Context) => ShortContext | undefined {
  const activities = httpActivities(origin);
  return (facts, outcome, context) => {
    const { request, decision, app } = facts;
    if (request === undefined || app === undefined || decision?.effect !== 'allow') return undefined;
    if (outcome.status === undefined || outcome.refusal !== undefined) return undefined;
    const activity = activities.get(request.method);
    if (activity === undefined || truncatedTexts(request).length > 0) return undefined;
    const inspection = formatInspection('request', facts);
    for (const known of context.kinds)
      if (isSame(known.request, request) && known.inspection === inspection) return known;
    if (context.kinds.length >= mostKinds) return undefined;
    const text =
      `{${activity.members},${allowedVerdict},${context.network},"metadata":{${activity.metadata}}` +
      `,"http_request":{${requestMembers(request, true)},"url":{${urlMembers(request)}}}` +
      `,"unmapped":{"postern":{${context.postern},"reasons":["policy-permits"],"refusal":null` +
      `,"inspection":${inspection},"truncated":[]}}}`;
    const { path: _, ...kept } = request;
    const made = { text, hash: contextHash(text), request: kept, inspection, window: 0 };
    context.kinds.push(made);
    return made;
  };
}

const isSame = (known: ShortContext['request'], request: Request): boolean =>
  known.method === request.method &&
  known.authority === request.authority &&
  known.userAgent === request.userAgent &&
  known.httpVersion === request.httpVersion &&
  known.scheme === request.scheme;
