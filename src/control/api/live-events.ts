import { setTimeout as pause } from 'node:timers/promises';

export interface LiveEventsParts {
  /** Each a line of JSON. They end soon after `signal` is aborted. */
  readonly lines: AsyncIterable<string>;
  /** Why they may no longer be shown, as the code of a refusal; undefined while they may. */
  readonly refusal: () => Promise<string | undefined>;
  readonly tickMs: number;
  /** Ends it in order. */
  readonly signal: AbortSignal;
}

/** Ticks between two comments, which keep proxies and clients from taking silence for the end. */
const ticksPerHeartbeat = 15;

/**
 * Server-sent events (WHATWG HTML, section 9.2), one a line. A stream outlives the moment at which somebody was let in, so it
 * is asked again and again whether they still may: at each tick, and after a reader that was slow before it is shown more.
 */
export async function* liveEvents(parts: LiveEventsParts): AsyncIterable<string> {
  const { tickMs, signal } = parts;
  const startTick = (): Promise<'tick'> =>
    pause(tickMs, 'tick' as const, { signal }).catch(() => 'tick' as const);
  const lines = parts.lines[Symbol.asyncIterator]();
  // At once, so that a client knows that it is listened to.
  yield ': follows\n\n';
  let next = lines.next();
  let tick = startTick();
  let checkedAt = performance.now();
  for (let ticks = 1; !signal.aborted; ) {
    const found = await Promise.race([next, tick]);
    if (found === 'tick' || performance.now() - checkedAt >= tickMs) {
      const refusal = await parts.refusal();
      if (refusal !== undefined) {
        yield `event: end\ndata: ${JSON.stringify({ code: refusal })}\n\n`;
        return;
      }
      checkedAt = performance.now();
    }
    if (found === 'tick') {
      if (ticks % ticksPerHeartbeat === 0) yield ': still here\n\n';
      ticks += 1;
      tick = startTick();
      continue;
    }
    if (found.done === true) return;
    yield `data: ${found.value}\n\n`;
    next = lines.next();
  }
}
