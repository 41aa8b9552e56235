import type { ServerResponse } from 'node:http';
import type { Http2ServerResponse } from 'node:http2';
import type { Refusal } from '../contract/refusals.ts';
import type { Exchange } from './exchange.ts';
import type { GatewayCore } from './gateway-core.ts';
import { named } from './headers.ts';
import { recordExchange } from './record.ts';
import { buildRefusalAnswer } from './refusal-answer.ts';

/** Answers of the gateway's own. Each is recorded before it is complete for the client. */

export function answerBody(core: GatewayCore, exchange: Exchange, body: string): void {
  exchange.bytesOut = Buffer.byteLength(body);
  send(
    core,
    exchange,
    200,
    [
      'content-type',
      'application/json',
      'cache-control',
      'no-store',
      'content-length',
      String(exchange.bytesOut),
    ],
    body,
  );
}

export function answerRefusal(core: GatewayCore, exchange: Exchange, refusal: Refusal): void {
  core.counters.refusals.set(refusal.code, (core.counters.refusals.get(refusal.code) ?? 0) + 1);
  const { status, headers, body } = buildRefusalAnswer(refusal, exchange);
  exchange.bytesOut = Buffer.byteLength(body);
  // A body that was not read would be taken for the next request.
  const closing = exchange.httpVersion !== '2.0' && !exchange.request.complete ? ['connection', 'close'] : [];
  send(core, exchange, status, [...headers, ...closing], body, refusal);
}

function send(
  core: GatewayCore,
  exchange: Exchange,
  status: number,
  headers: readonly string[],
  body: string,
  refusal?: Refusal,
): void {
  const { response } = exchange;
  const recorded = { status, endedBy: 'gateway' as const, endedAt: core.now() };
  if (!recordExchange(core.recorder, exchange, refusal === undefined ? recorded : { ...recorded, refusal }))
    return;
  core.recorder.whenWritten(() => {
    if (response.destroyed || response.headersSent) return;
    (response as ServerResponse).writeHead(status, named(headers));
    (response as ServerResponse).end(exchange.method === 'HEAD' ? '' : body);
  });
}

/** Ends an exchange that has begun to answer: its stream or socket is broken off, never ended as if it were whole. */
export function breakOff(exchange: Exchange): void {
  const { response } = exchange;
  if (exchange.httpVersion === '2.0') (response as Http2ServerResponse).stream.close(8);
  else (response as ServerResponse).destroy();
}
