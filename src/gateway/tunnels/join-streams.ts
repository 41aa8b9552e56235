import type { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import type { SocketInput, TakeInput } from '../../contract/socket-input.ts';
import type { Refusal } from '../../contract/refusals.ts';
import type { Flow } from '../flow.ts';
import type { Expectation } from '../../domain/expected-protocol.ts';
import type { Gateway } from '../gateway.ts';
import { startProtocolCheck } from '../protocol/protocol-check.ts';
import type { EndedBy } from '../records/record-flow.ts';

interface Joined {
  readonly client: Duplex;
  readonly upstream: Socket;
  /** What the upstream said already. */
  readonly head?: Buffer;
  /** Where the upstream's bytes come, instead of in its `data` events. */
  readonly input?: SocketInput | undefined;
  /** What their first bytes have to be. */
  readonly expectation?: Expectation | undefined;
}

/**
 * Joins a client and an upstream whose tunnel was opened and recorded. Bytes go both ways at the speed of who reads;
 * each side's end is passed on by itself, so that half-closed protocols work; what breaks off on one side is broken
 * off on the other and never made to look like an end. Silence is no reason to end, bytes that are not what was expected
 * are.
 */
export function joinStreams(flow: Flow, gateway: Gateway, joined: Joined): void {
  const { client, upstream, head, input, expectation } = joined;
  let isOver = false;
  /** @returns false where it was over already. */
  const close = (endedBy: EndedBy, refusal?: Refusal): boolean => {
    if (isOver) return false;
    isOver = true;
    check?.stop();
    upstream.destroy();
    gateway.record.tunnelClosed(flow, endedBy, refusal);
    if (flow.grant !== undefined) gateway.grants.close(flow.grant);
    return true;
  };
  /** A stream of HTTP/2 that is destroyed without an error is reset without one, and that reads as an end. */
  const letGo = (): void => {
    const isWhole = client.readableEnded && client.writableFinished;
    client.destroy(isWhole ? undefined : new Error('broken off'));
  };
  const end = (endedBy: EndedBy, refusal?: Refusal): void => {
    if (close(endedBy, refusal)) letGo();
  };
  const cut = (refusal: Refusal): void => {
    if (!close('gateway', refusal)) return;
    client.pause();
    // What a power cut takes back, nobody was told.
    gateway.record.afterSynced(letGo, letGo);
  };
  const check = expectation && startProtocolCheck(flow, gateway, expectation, cut);
  let first: EndedBy | undefined;

  client.allowHalfOpen = true;
  upstream.allowHalfOpen = true;
  upstream.setTimeout(0);
  upstream.setNoDelay(true);
  for (const [from, to, side] of [
    [client, upstream, 'client'],
    [upstream, client, 'upstream'],
  ] as const) {
    const pass = (chunk: Buffer): void => {
      if (side === 'client') flow.bytesIn += chunk.length;
      else flow.bytesOut += chunk.length;
      if (!to.write(chunk)) from.pause();
    };
    const passChecked = (chunk: Buffer): void => {
      const checked = check?.look(side, chunk);
      if (check?.isDone(side) === true) from.on('data', pass).off('data', passChecked);
      if (checked !== undefined) pass(checked);
    };
    const finish = (): void => {
      const rest = check?.end(side);
      if (isOver) return;
      if (rest !== undefined) pass(rest);
      to.end();
    };
    // With an input it says itself when it may be read on.
    if (side === 'client' || input === undefined) {
      from.on('data', check === undefined ? pass : passChecked);
      to.on('drain', () => from.resume());
    }
    from.on('end', () => {
      first ??= side;
      if (side === 'client' || input === undefined) finish();
      else void input.drained().then(finish);
    });
    from.on('error', () => end(first ?? side));
    from.on('close', () => {
      // Only where both of its ends were ends; then what was written last to the other may still be on its way.
      const isWhole = from.readableEnded && from.writableFinished;
      if (isWhole && !to.writableFinished && !to.destroyed) to.once('finish', () => end(first ?? side));
      else end(first ?? side);
    });
  }
  const take: TakeInput = (bytes, isLent) => {
    flow.bytesOut += bytes.length;
    const written = Promise.withResolvers<void>();
    const hasRoom = client.write(bytes, () => written.resolve());
    return isLent || !hasRoom ? written.promise : undefined;
  };
  input?.use(
    check === undefined
      ? take
      : (bytes, isLent) => {
          const checked = check.look('upstream', isLent ? Buffer.from(bytes) : bytes);
          if (check.isDone('upstream')) input.use(take);
          return checked === undefined ? undefined : take(checked, false);
        },
  );
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
