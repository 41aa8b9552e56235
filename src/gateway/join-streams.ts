import type { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import type { SocketInput } from '../contract/socket-input.ts';
import type { Refusal } from '../contract/refusals.ts';
import type { Flow } from './flow.ts';
import type { Gateway } from './gateway.ts';
import type { EndedBy } from './record-flow.ts';

interface Joined {
  readonly client: Duplex;
  readonly upstream: Socket;
  /** What the upstream said already. */
  readonly head?: Buffer;
  /** Where the upstream's bytes come, instead of in its `data` events. */
  readonly input?: SocketInput | undefined;
}

/**
 * Joins a client and an upstream whose tunnel was opened and recorded. Bytes go both ways at the speed of who reads;
 * each side's end is passed on by itself, so that half-closed protocols work; what breaks off on one side is broken
 * off on the other and never made to look like an end. Silence is no reason to end.
 */
export function joinStreams(flow: Flow, gateway: Gateway, { client, upstream, head, input }: Joined): void {
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
    // With an input it says itself when it may be read on.
    if (side === 'client' || input === undefined) {
      from.on('data', (chunk: Buffer) => {
        if (side === 'client') flow.bytesIn += chunk.length;
        else flow.bytesOut += chunk.length;
        if (!to.write(chunk)) from.pause();
      });
      to.on('drain', () => from.resume());
    }
    from.on('end', () => {
      first ??= side;
      if (side === 'client' || input === undefined) to.end();
      else void input.drained().then(() => to.end());
    });
    from.on('error', () => end(first ?? side));
    from.on('close', () => {
      // Only where both of its ends were ends; then what was written last to the other may still be on its way.
      const isWhole = from.readableEnded && from.writableFinished;
      if (isWhole && !to.writableFinished && !to.destroyed) to.once('finish', () => end(first ?? side));
      else end(first ?? side);
    });
  }
  input?.use((bytes, isLent) => {
    flow.bytesOut += bytes.length;
    const written = Promise.withResolvers<void>();
    const hasRoom = client.write(bytes, () => written.resolve());
    return isLent || !hasRoom ? written.promise : undefined;
  });
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
