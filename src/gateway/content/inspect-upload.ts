import type { Refusal } from '../../contract/refusals.ts';
import type { App } from '../../domain/resources.ts';
import type { Flow } from '../flow.ts';
import type { Gateway } from '../gateway.ts';
import { BodyRefused, readBody } from '../fields/request-body.ts';
import { BodyInspection } from './body-inspection.ts';
import type { ContentInspector } from './content-inspector.ts';
import { endOfClient, goesOnWhileHeld } from './end-of-client.ts';
import { HeldTail } from './held-tail.ts';

/**
 * Has what a laptop sends looked at on its way. A body that can be held as a whole is, so that its application hears nothing
 * of one that is refused; of a longer one the application lacks the end until there is a verdict, and where that is bad it is
 * broken off. Leaves the body in the flow for whoever forwards it.
 */
export async function inspectUpload(
  flow: Flow,
  gateway: Gateway,
  app: App,
  kinds: readonly ContentInspector[],
): Promise<Refusal | undefined> {
  const { exchange, head } = flow;
  if (head === undefined) throw new TypeError('flow was not read');
  const inspection = new BodyInspection(flow, app, kinds, {
    direction: 'upload',
    fields: head.forwardable,
    contentLength: head.contentLength,
  });
  if (inspection.refusal !== undefined || inspection.isStream) return inspection.end();
  const { heldBytes, settings, maxHeldTailBytes } = gateway;
  const tail = new HeldTail(exchange.connection.certificate.device, heldBytes, maxHeldTailBytes);
  flow.atEnd(() => {
    inspection.abort();
    tail.release();
  });
  if (!goesOnWhileHeld(flow, gateway)) return undefined;
  if (exchange.expectsContinue && flow.body === undefined) exchange.sendContinue();
  const source =
    flow.body ?? readBody(flow, exchange.body, head.contentLength, settings.limits.bodyIdleTimeoutMs);
  const passing = pass(source, inspection, tail);
  try {
    // Comes when something may pass: then all that can be held is held, or the verdict is good.
    const first = await passing.next();
    flow.body = first.done === true ? passing : resume(first.value, passing);
  } catch (error) {
    if (error instanceof BodyRefused) return error.refusal;
    return endOfClient(flow, gateway);
  }
  return exchange.isClosed ? endOfClient(flow, gateway) : undefined;
}

async function* pass(
  source: AsyncGenerator<Buffer>,
  inspection: BodyInspection,
  tail: HeldTail,
): AsyncGenerator<Buffer> {
  for await (const piece of source) {
    await inspection.write(piece);
    if (inspection.refusal !== undefined) break;
    yield* tail.push(piece);
  }
  const refusal = await inspection.end();
  if (refusal !== undefined) throw new BodyRefused(refusal);
  yield* tail.release();
}

async function* resume(first: Buffer, rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  yield* rest;
}
