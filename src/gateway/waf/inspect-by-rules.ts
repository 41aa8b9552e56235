import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import type { InspectionOutcome } from '../../domain/inspection.ts';
import type { App } from '../../domain/resources.ts';
import type { InspectedRequest, InspectionReport } from '../../inspection/request.ts';
import { passTrailers } from '../fields/answer-headers.ts';
import { endOfClient, goesOnWhileHeld } from '../content/end-of-client.ts';
import type { Flow } from '../flow.ts';
import type { Gateway } from '../gateway.ts';
import { valueOf } from '../fields/raw-fields.ts';
import { BodyRefused } from '../fields/request-body.ts';
import type { SituationKind } from '../records/situations.ts';
import { holdBody } from './hold-body.ts';
import type { HeldBody } from './hold-body.ts';
import { profileOf } from './waf-profile.ts';
import type { WafProfile } from './waf-profile.ts';
import type { WafAnswer } from './waf.ts';

/** Calls whose two sides talk at once: to wait for the end of one would be to wait for ever. No rule reads their bodies. */
const streamed = /^application\/grpc(?:\+|;|$)/i;

const rule = 'requests-suspicious';
const blocked: SituationKind = {
  rule,
  title: 'Requests that look like attacks',
  description: 'They hold what applications are attacked with, and did not reach this one.',
  severity: 'medium',
};
const letThrough: SituationKind = {
  rule,
  title: 'Requests that look like attacks, let through',
  description:
    'They hold what applications are attacked with, and reached this one, which is set to detect only.',
  severity: 'high',
};

/** How many different messages a record keeps. */
const maxMessages = 8;

/** Whether requests to an application could be inspected as it wants. */
export function isWafReady(app: App, { waf }: Gateway): Refusal | undefined {
  return waf.problem !== undefined && profileOf(app).isBlocking
    ? refuse('inspection-unavailable', `waf: ${waf.problem}`)
    : undefined;
}

/**
 * Asks the rules about a request, with its body up to the bound, before its application gets any of it. In mode `detect` the
 * request goes on whatever came of that; in mode `block` only one that was looked at and is below the threshold.
 */
export async function inspectByRules(flow: Flow, gateway: Gateway, app: App): Promise<Refusal | undefined> {
  const { exchange, head } = flow;
  if (head === undefined) throw new TypeError('flow was not read');
  const profile = profileOf(app);
  const { maxInspectedBytes } = gateway;
  let body: HeldBody | undefined = { text: '', isCut: false };
  const isStreamed = streamed.test(valueOf(head.forwardable, 'content-type') ?? '');
  if (exchange.hasBody && head.contentLength !== 0 && !isStreamed) {
    const { heldBytes, settings } = gateway;
    flow.inspections = { ...flow.inspections, waf: { state: 'not-done', why: 'unfinished' } };
    if ((head.contentLength ?? 0) > maxInspectedBytes && profile.refusesTooLarge)
      return refuseTooLarge(flow, maxInspectedBytes);
    if (!goesOnWhileHeld(flow, gateway)) return undefined;
    if (exchange.expectsContinue) exchange.sendContinue();
    try {
      const { bodyIdleTimeoutMs } = settings.limits;
      body = await holdBody(flow, head.contentLength, bodyIdleTimeoutMs, maxInspectedBytes, heldBytes);
    } catch (error) {
      if (error instanceof BodyRefused) return error.refusal;
      return endOfClient(flow, gateway);
    }
    if (body === undefined)
      return conclude(flow, gateway, app, { failure: 'unavailable', detail: 'too much is held' });
    if (body.isCut && profile.refusesTooLarge) return refuseTooLarge(flow, maxInspectedBytes);
  }
  const { device } = exchange.connection.certificate;
  const answer = await gateway.waf.inspect(device, describe(flow, body), profile);
  if (exchange.isClosed) return endOfClient(flow, gateway);
  return conclude(flow, gateway, app, answer, body.isCut ? 'too-large' : isStreamed ? 'opaque' : undefined);
}

/** What would go on unseen does not go on. */
function refuseTooLarge(flow: Flow, maxBytes: number): Refusal {
  flow.inspections = { ...flow.inspections, waf: { state: 'not-done', why: 'too-large' } };
  return refuse('content-too-large', `waf: more than ${maxBytes} octets`);
}

/** What the application will get, less what is ours. Fields behind a body that was read to its end are with it. */
function describe({ exchange, head }: Flow, { text, isCut }: HeldBody): InspectedRequest {
  const { authority = '', forwardable = [], contentLength, target = '' } = head ?? {};
  const fields = ['host', authority];
  if (contentLength !== undefined) fields.push('content-length', String(contentLength));
  else if (exchange.hasBody && exchange.httpVersion !== '2.0') fields.push('transfer-encoding', 'chunked');
  fields.push(...forwardable);
  if (!isCut) fields.push(...passTrailers(exchange.trailers()));
  return {
    method: exchange.method,
    target,
    protocol: `HTTP/${exchange.httpVersion}`,
    fields,
    clientAddress: exchange.connection.facts.source.address,
    body: text,
    isBodyCut: isCut,
  };
}

function conclude(
  flow: Flow,
  gateway: Gateway,
  app: App,
  answer: WafAnswer,
  beyond?: 'too-large' | 'opaque',
): Refusal | undefined {
  const profile = profileOf(app);
  const report = answer.answer;
  if (report === undefined) {
    flow.inspections = { ...flow.inspections, waf: { state: 'not-done', why: answer.failure } };
    return profile.isBlocking ? refuse('inspection-unavailable', `waf: ${answer.detail}`) : undefined;
  }
  flow.inspections = { ...flow.inspections, waf: outcomeOf(flow, report, profile, beyond) };
  if (report.score < profile.threshold) return undefined;
  gateway.situations.note(flow, profile.isBlocking ? blocked : letThrough, {
    sums: { requests: 1 },
    highest: { highestScore: report.score },
  });
  if (!profile.isBlocking) return undefined;
  return refuse('request-suspicious', `score ${report.score} of ${profile.threshold}: ${summaryOf(report)}`);
}

function outcomeOf(
  { exchange }: Flow,
  report: InspectionReport,
  { threshold }: WafProfile,
  beyond: 'too-large' | 'opaque' | undefined,
): InspectionOutcome {
  const why = exchange.upgrade !== undefined ? 'upgraded' : (report.unread ?? beyond);
  const state = why === undefined ? ({ state: 'done' } as const) : ({ state: 'partly', why } as const);
  if (report.findings.length === 0) return state;
  const messages = [...new Set(report.findings.map(({ message }) => message))];
  return {
    ...state,
    found: [...new Set(report.findings.map(({ id }) => id))],
    score: report.score,
    threshold,
    messages: messages.slice(0, maxMessages),
  };
}

const summaryOf = ({ findings }: InspectionReport): string =>
  [...new Map(findings.map(({ id, message }) => [id, `${id} ${message}`])).values()].join('; ');
