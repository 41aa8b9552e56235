import type { ClientHttp2Session } from 'node:http2';
import type { Clock } from '../clock.ts';

/**
 * Milliseconds that a PING took, by Node's own measure; undefined where no answer came within the limit, or the session
 * ended. A path that swallows packets looks open for a quarter of an hour; an unanswered PING tells at once.
 */
export function pingWithin(
  session: ClientHttp2Session,
  clock: Clock,
  limitMs: number,
): Promise<number | undefined> {
  return new Promise((resolve) => {
    if (session.destroyed) return resolve(undefined);
    const done = new AbortController();
    const finish = (ms: number | undefined): void => {
      session.off('close', onClose);
      done.abort();
      resolve(ms);
    };
    const onClose = (): void => finish(undefined);
    session.once('close', onClose);
    void clock.sleep(limitMs, done.signal).then(() => finish(undefined));
    // Where too many are under way to send another, the answer to one of them is as far off.
    session.ping((error, duration) => {
      if (error === null) finish(duration);
    });
  });
}
