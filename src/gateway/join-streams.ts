import type { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import type { Refusal } from '../contract/refusals.ts';
import type { Flow } from './flow.ts';
import type { Gateway } from './gateway.ts';
import type { EndedBy } from './record-flow.ts';

/**
 * Joins a client and an upstream whose tunnel was opened and recorded. Bytes go both ways at the speed of who reads;
 * each side's end is passed on by itself, so that half-closed protocols work; what breaks off on one side is broken
 * off on the other and never made to look like an end. Silence is no reason to end.
 */
export function joinStreams(
  flow: Flow,
  gateway: Gateway,
  { client, upstream, head }: { client: Duplex; upstream: Socket; head?: Buffer },
): void {
  let isOver = false;
  const end = (endedBy: EndedBy, refusal?: Refusal): void => {
    if (isOver) return;
    isOver = true;
    client.destroy();
    upstream.destroy();
    gateway.record.tunnelClosed(flow, endedBy, refusal);
    if (flow.grant !== undefined) gateway.grants.close(flow.grant);
  };
  let first: EndedBy | undefined;

  client.allowHalfOpen = true;
  upstream.allowHalfOpen = true;
  upstream.setTimeout(0);
  upstream.setNoDelay(true);
  for (const [from, to, side] of [
    [client, upstream, 'client'],
    [upstream, client, 'upstream'],
  ] as const) {
    from.on('data', (chunk: Buffer) => {
      if (side === 'client') flow.bytesIn += chunk.length;
      else flow.bytesOut += chunk.length;
      if (!to.write(chunk)) from.pause();
    });
    to.on('drain', () => from.resume());
    from.on('end', () => {
      first ??= side;
      to.end();
    });
    from.on('error', () => end(first ?? side));
    from.on('close', () => {
      // After both ends have ended properly, what was written last may still be on its way.
      if (!from.readableEnded || !to.writableFinished) end(first ?? side);
      else if (to.destroyed || to.readableEnded) end(first ?? side);
    });
  }
  if (head !== undefined && head.length > 0) {
    flow.bytesOut += head.length;
    client.write(head);
  }
  // One that ended before anybody listened will not say so again.
  if (upstream.destroyed) return end('upstream');
  if (client.destroyed) return end('client');
  // Both may have been paused until somebody listened: an app that speaks first must not lose its first bytes.
  client.resume();
  upstream.resume();
  if (flow.grant !== undefined) {
    flow.grant.cut = (refusal) => end('gateway', refusal);
    if (flow.grant.ended !== undefined) end('gateway', flow.grant.ended);
  }
}
