import type { Duplex } from 'node:stream';

/** What became of a pair of streams that carried each other's bytes. */
export interface PipeEnd {
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly endedBy: 'client' | 'upstream';
}

/**
 * Carries bytes both ways under back-pressure, half-closed sides included, until both are done or one breaks.
 * `ended` is told once; afterwards both are destroyed.
 */
export function pipeBoth(client: Duplex, upstream: Duplex, ended: (end: PipeEnd) => void): void {
  let bytesIn = 0;
  let bytesOut = 0;
  let first: 'client' | 'upstream' | undefined;
  let open = 2;
  let over = false;

  const finish = (by: 'client' | 'upstream'): void => {
    if (over) return;
    over = true;
    client.destroy();
    upstream.destroy();
    ended({ bytesIn, bytesOut, endedBy: first ?? by });
  };
  const carry = (
    from: Duplex,
    to: Duplex,
    name: 'client' | 'upstream',
    count: (bytes: number) => void,
  ): void => {
    from.on('data', (chunk: Buffer) => {
      count(chunk.length);
      if (!to.write(chunk)) from.pause();
    });
    to.on('drain', () => from.resume());
    from.on('end', () => {
      first ??= name;
      to.end();
      open -= 1;
      // Both said all they had; what is on its way out still goes.
      if (open === 0) to.once('finish', () => finish(name));
    });
    from.on('error', () => finish(name));
    from.on('close', () => {
      // Both ended in order and this side is done: the other may still be flushing.
      if (open === 0 && !to.destroyed && !to.writableFinished) return;
      finish(name);
    });
  };
  carry(client, upstream, 'client', (bytes) => (bytesIn += bytes));
  carry(upstream, client, 'upstream', (bytes) => (bytesOut += bytes));
}
