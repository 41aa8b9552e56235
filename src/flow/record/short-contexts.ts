import type { ConnectionFacts, FlowFacts, FlowOutcome } from '../../domain/flow.ts';
import { isSameUpstream } from './context.ts';
import type { Context, ShortContext } from './context.ts';
import type { Origin } from './envelope.ts';
import { contextHash } from '../frames/context.ts';
import { httpActivities, requestMembers, truncatedTexts, urlMembers } from './http-activity.ts';
import { formatInspection } from './inspection.ts';
import { textLimits } from './safe-text.ts';
import { allowedVerdict } from './verdict.ts';

type Request = NonNullable<FlowFacts['request']>;

/** Kinds of requests remembered for one context; a client that makes up more has its records written whole. */
const mostKinds = 16;

/** What the request before it on a connection had, by which a request like it is known at a glance. */
interface Last {
  readonly subject: FlowFacts['subject'] | undefined;
  readonly app: FlowFacts['app'];
  readonly decision: FlowFacts['decision'];
  readonly upstream: FlowFacts['upstream'] | undefined;
  readonly request: ShortContext['request'];
  readonly context: ShortContext;
}

/**
 * The context of a request's record, where it can be written short: the request was let through and answered, and nothing of
 * it was cut. Nearly all are, and nearly all are like the one before on their connection: what is looked at for these is
 * seldom in a processor's cache, and what looking costs is how many places it looks at.
 */
export function createShortContexts(
  origin: Origin,
  contextOf: (facts: FlowFacts) => Context,
): (facts: FlowFacts, outcome: FlowOutcome) => ShortContext | undefined {
  const activities = httpActivities(origin);
  const lasts = new WeakMap<ConnectionFacts, Last>();

  function find(facts: FlowFacts, request: Request): ShortContext | undefined {
    const activity = activities.get(request.method);
    if (activity === undefined || truncatedTexts(request).length > 0) return undefined;
    const inspection = formatInspection('request', facts);
    const context = contextOf(facts);
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
  }

  return (facts, outcome) => {
    const { connection, subject, app, decision, upstream, request } = facts;
    if (request === undefined || app === undefined || decision?.effect !== 'allow') return undefined;
    if (outcome.status === undefined || outcome.refusal !== undefined) return undefined;
    if (facts.inspections !== undefined) return find(facts, request);
    const last = lasts.get(connection);
    if (last !== undefined && isLike(last, facts, request)) return last.context;
    const context = find(facts, request);
    if (context !== undefined)
      lasts.set(connection, { subject, app, decision, upstream, request: context.request, context });
    return context;
  };
}

const isLike = (last: Last, { subject, app, decision, upstream }: FlowFacts, request: Request): boolean =>
  last.subject === subject &&
  last.app === app &&
  last.decision === decision &&
  isSameUpstream(last.upstream, upstream) &&
  isSame(last.request, request) &&
  request.path.length <= textLimits.path;

const isSame = (known: ShortContext['request'], request: Request): boolean =>
  known.method === request.method &&
  known.authority === request.authority &&
  known.userAgent === request.userAgent &&
  known.httpVersion === request.httpVersion &&
  known.scheme === request.scheme;
