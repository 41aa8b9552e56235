import type { FlowFacts } from '../../domain/flow.ts';
import { expectationOf } from '../../domain/expected-protocol.ts';
import { inspectors, tunnelInspectors } from '../../domain/inspection.ts';
import type { App } from '../../domain/resources.ts';
import type { InspectionOutcome, Inspector, UninspectedReason } from '../../domain/inspection.ts';
import { asciiJson, bound } from './safe-text.ts';

/** What of a flow there would be to look at: a request with its answer, a tunnel's bytes, or the proof of who someone is. */
export type Content = 'request' | 'tunnel' | 'credentials';

/** How many findings of one inspector a record names, and how long a name and a message may be. */
export const foundLimits = { names: 32, length: 64, messages: 8, messageLength: 160 };

/** The member `inspection`: each inspector, whether it saw the flow, and why not. */
export function formatInspection(content: Content, facts: FlowFacts): string {
  const { inspections } = facts;
  if (inspections === undefined) return unseen(content, facts);
  const outcomes = inspectorsOf(content).map((inspector): [Inspector, object] => {
    const outcome = inspections[inspector];
    return [
      inspector,
      outcome === undefined ? notDone(reasonOf(inspector, content, facts)) : outcomeMember(outcome),
    ];
  });
  return asciiJson(Object.fromEntries(outcomes));
}

const inspectorsOf = (content: Content): readonly Inspector[] =>
  content === 'tunnel' ? tunnelInspectors : inspectors;

const notDone = (why: UninspectedReason): object => ({ state: 'not-done', why });

const outcomeMember = ({
  state,
  why,
  found = [],
  score,
  threshold,
  messages = [],
  counts,
}: InspectionOutcome): object => ({
  state,
  ...(why === undefined ? {} : { why }),
  ...(found.length === 0
    ? {}
    : { found: found.slice(0, foundLimits.names).map((name) => bound(name, foundLimits.length)) }),
  ...(score === undefined ? {} : { score }),
  ...(threshold === undefined ? {} : { threshold }),
  ...(messages.length === 0
    ? {}
    : {
        messages: messages
          .slice(0, foundLimits.messages)
          .map((message) => bound(message, foundLimits.messageLength)),
      }),
  ...(counts === undefined
    ? {}
    : {
        counts: Object.fromEntries(
          Object.entries(counts)
            .slice(0, foundLimits.names)
            .map(([name, count]) => [bound(name, foundLimits.length), count]),
        ),
      }),
});

function reasonOf(inspector: Inspector, content: Content, facts: FlowFacts): UninspectedReason {
  const { app, decision } = facts;
  if (app === undefined || content === 'credentials') return 'no-application';
  const isAsked = inspector === 'protocol' ? isCheckedTunnel(app) : app.inspect?.includes(inspector);
  if (isAsked !== true) return 'not-configured';
  if (decision?.effect !== 'allow') return 'refused-before';
  if (inspector === 'protocol' && app.protocol !== 'http') return 'too-few';
  return content === 'tunnel' ? reasonOfTunnel(facts) : 'unavailable';
}

/** Of an http application the gateway has read each request itself. */
const isCheckedTunnel = (app: App): boolean => app.protocol === 'http' || expectationOf(app) !== undefined;

const reasonOfTunnel = ({ app, request }: FlowFacts): UninspectedReason =>
  app?.protocol !== 'http' ? 'opaque' : request?.method === 'CONNECT' ? 'in-its-requests' : 'upgraded';

/** Texts of flows that no inspector saw: one for each combination of reasons, of which there are few. */
const unseenTexts = new Map<string, string>();
const unseenByAll = (why: UninspectedReason): string =>
  asciiJson(Object.fromEntries(inspectors.map((inspector) => [inspector, notDone(why)])));
/** Of nearly all that are no tunnels. */
const withoutApplication = unseenByAll('no-application');
const withoutInspection = unseenByAll('not-configured');

function unseen(content: Content, facts: FlowFacts): string {
  const { app } = facts;
  if (content !== 'tunnel') {
    if (app === undefined || content === 'credentials') return withoutApplication;
    if (app.inspect === undefined) return withoutInspection;
  }
  const reasons = inspectorsOf(content).map(
    (inspector) => [inspector, reasonOf(inspector, content, facts)] as const,
  );
  const key = reasons.join(' ');
  const known = unseenTexts.get(key);
  if (known !== undefined) return known;
  const text = asciiJson(Object.fromEntries(reasons.map(([inspector, why]) => [inspector, notDone(why)])));
  unseenTexts.set(key, text);
  return text;
}
