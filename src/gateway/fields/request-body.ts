import type { Readable } from 'node:stream';
import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import type { Flow } from '../flow.ts';

/** The body is at fault, and not whoever it is sent to. */
export class BodyRefused extends Error {
  override readonly name = 'BodyRefused';
  readonly refusal: Refusal;
  constructor(refusal: Refusal) {
    super(refusal.detail ?? refusal.code);
    this.refusal = refusal;
  }
}

const wrongLength = refuse('bad-request', 'the body is not of its Content-Length');

/**
 * The body as it arrives, at the speed of whoever reads it. A stream is never handed over itself: readers destroy what
 * fails them, and with the request goes the connection that the refusal should travel on. Ends with an error when the
 * client breaks off or sends another length than it announced, so that half a body never looks like a whole one and what
 * is behind one never like a request.
 */
export async function* readBody(
  flow: Flow,
  source: Readable,
  contentLength: number | undefined,
  idleTimeoutMs: number,
): AsyncGenerator<Buffer> {
  let wake: (() => void) | undefined;
  let isAwaited = false;
  const onChange = (): void => wake?.();
  const timer = setTimeout(() => {
    // Only a client that is waited for is slow: a reader that takes its time is not its fault.
    if (isAwaited) {
      tooSlow = true;
      onChange();
    } else timer.refresh();
  }, idleTimeoutMs);
  let tooSlow = false;
  let failure: Error | undefined;
  const onError = (error: Error): void => {
    failure = error;
    onChange();
  };
  source.on('readable', onChange).on('end', onChange).on('close', onChange).on('error', onError);
  try {
    for (;;) {
      const chunk = source.read() as Buffer | null;
      if (chunk !== null) {
        flow.bytesIn += chunk.length;
        if (contentLength !== undefined && flow.bytesIn > contentLength) throw new BodyRefused(wrongLength);
        timer.refresh();
        yield chunk;
        continue;
      }
      const { bodyFailure } = flow.exchange;
      if (bodyFailure !== undefined) throw new BodyRefused(bodyFailure);
      if (failure !== undefined) throw failure;
      if (source.readableEnded) {
        if (contentLength !== undefined && flow.bytesIn !== contentLength) throw new BodyRefused(wrongLength);
        return;
      }
      if (source.destroyed) throw new Error('the client broke off');
      if (tooSlow) throw new BodyRefused(refuse('request-timeout', 'the body stopped'));
      isAwaited = true;
      await new Promise<void>((resolve) => (wake = resolve));
      wake = undefined;
      isAwaited = false;
    }
  } finally {
    clearTimeout(timer);
    source.off('readable', onChange).off('end', onChange).off('close', onChange);
    // The listener for errors stays: one that comes later must not be an uncaught one.
  }
}
