import type { Refusal } from '../../contract/refusals.ts';
import type { App } from '../../domain/resources.ts';
import type { Direction } from '../../inspection/body-inspector.ts';
import type { Flow } from '../flow.ts';
import type { Gateway } from '../gateway.ts';
import { BodyInspection, noteOutcome, nothingThere } from './body-inspection.ts';
import type { ContentInspector } from './content-inspector.ts';
import { inspectUpload } from './inspect-upload.ts';

const directions: readonly Direction[] = ['upload', 'download'];

/**
 * Has what a request carries looked at before or while it goes on, and sees to it that its answer will be. What an
 * application does not want looked at its record says.
 */
export function inspectContent(
  flow: Flow,
  gateway: Gateway,
  app: App,
  kinds: readonly ContentInspector[],
): Refusal | undefined | Promise<Refusal | undefined> {
  const { exchange, head } = flow;
  if (head === undefined) throw new TypeError('flow was not read');
  for (const kind of kinds) {
    const problem = kind.problem(app);
    if (problem !== undefined) return problem;
    if (directions.some((direction) => !kind.looksAt(app, direction)))
      noteOutcome(flow, kind, { state: 'not-done', why: 'not-configured' });
  }
  if (exchange.upgrade !== undefined) return inspectUpgrade(flow, app, kinds);
  const ofAnswers = kinds.filter((kind) => kind.looksAt(app, 'download'));
  if (ofAnswers.length > 0) {
    flow.bodyInspectors = ofAnswers;
    if (ofAnswers.some((kind) => kind.needsWhole(app)))
      flow.head = { ...head, forwardable: withoutRange(head.forwardable) };
  }
  const ofRequests = kinds.filter((kind) => kind.looksAt(app, 'upload'));
  if (ofRequests.length === 0) return undefined;
  if (exchange.hasBody && head.contentLength !== 0) return inspectUpload(flow, gateway, app, ofRequests);
  for (const kind of ofRequests) noteOutcome(flow, kind, nothingThere);
  return undefined;
}

/** What follows is no body, and both sides may speak at any time. */
function inspectUpgrade(
  flow: Flow,
  app: App,
  kinds: readonly ContentInspector[],
): Promise<Refusal | undefined> {
  const body = { direction: 'upload', fields: [], contentLength: undefined, unread: 'upgraded' } as const;
  return new BodyInspection(flow, app, kinds, body).end();
}

/** A server may answer any question for a range with the whole (RFC 9110, section 14.2), and one that is not asked does. */
function withoutRange(fields: readonly string[]): string[] {
  const kept: string[] = [];
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const name = fields[index] ?? '';
    if (name !== 'range' && name !== 'if-range') kept.push(name, fields[index + 1] ?? '');
  }
  return kept;
}
