import type { Flow } from '../flow.ts';
import type { Gateway } from '../gateway.ts';

/** An answer of the gateway's own, given once it is on record. */
export function answerWithJson(
  flow: Flow,
  gateway: Gateway,
  value: object,
  { type = 'application/json', cacheControl = 'no-store' } = {},
): void {
  const { exchange } = flow;
  const body = Buffer.from(JSON.stringify(value));
  const isHead = exchange.method === 'HEAD';
  flow.status = 200;
  flow.bytesOut = isHead ? 0 : body.length;
  gateway.record.request(flow, 'gateway');
  gateway.record.afterWritten(
    () => {
      exchange.sendHead(200, '', [
        'content-type',
        type,
        'content-length',
        String(body.length),
        'cache-control',
        cacheControl,
      ]);
      exchange.sendEnd(isHead ? undefined : body);
    },
    () => exchange.abort(),
  );
}
