import { startStopwatch } from '../clock.ts';
import type { Clock } from '../clock.ts';
import type { BulkLine } from './bulk-line.ts';

/** A laptop that has more transfers at once shares its session among the rest. */
const mostInUse = 8;
/** Milliseconds that a line waits for the next transfer; beyond that it would cost the gateway memory for nothing. */
const idleMs = 60_000;
/** Where none could be had, it is not asked for in vain each time. */
const pauseSeconds = 30;

/** The lines beside a session, one tunnel on each: those in use, and one that is ready for the next. */
export interface BulkLines {
  /** One that is ready, and sees to the next. */
  take(): BulkLine | undefined;
  /** Sees to it that one is ready soon. */
  prepare(): void;
  /** The session has another token. */
  show(token: string): void;
  inUse(): number;
  /** No more than those in use. */
  drain(): void;
  end(): void;
}

export function createBulkLines(parts: {
  readonly clock: Clock;
  /** @throws where none can be had. */
  open(token: string, signal: AbortSignal): Promise<BulkLine>;
  /** A tunnel on one of them ended. */
  onEnd(): void;
}): BulkLines {
  const { clock } = parts;
  const over = new AbortController();
  const used = new Set<BulkLine>();
  let spare: { readonly line: BulkLine; readonly waiting: AbortController } | undefined;
  let isOpening = false;
  let sinceFailure: (() => number) | undefined;
  let token: string | undefined;

  const drain = (): void => {
    over.abort();
    spare?.waiting.abort();
    spare?.line.end();
    spare = undefined;
  };
  const keep = (line: BulkLine): void => {
    const waiting = new AbortController();
    const mine = { line, waiting };
    spare = mine;
    const letGo = (): void => {
      if (spare !== mine) return;
      spare = undefined;
      line.end();
    };
    void line.ended.then(() => {
      waiting.abort();
      letGo();
    });
    void clock.sleep(idleMs, waiting.signal).then(letGo);
  };
  const open = async (shown: string): Promise<void> => {
    isOpening = true;
    try {
      const line = await parts.open(shown, over.signal);
      if (over.signal.aborted) return line.end();
      line.show(token ?? shown);
      keep(line);
    } catch {
      sinceFailure = startStopwatch(clock);
    } finally {
      isOpening = false;
    }
  };
  const prepare = (): void => {
    const isTooSoon = sinceFailure !== undefined && sinceFailure() < pauseSeconds;
    if (token === undefined || spare !== undefined || isOpening || isTooSoon || over.signal.aborted) return;
    if (used.size < mostInUse) void open(token);
  };

  return {
    prepare,
    take: () => {
      const line = spare?.line;
      spare?.waiting.abort();
      spare = undefined;
      const isUsable = line?.isUsable() === true;
      if (isUsable) {
        used.add(line);
        void line.ended.then(() => {
          used.delete(line);
          parts.onEnd();
        });
      }
      prepare();
      return isUsable ? line : undefined;
    },
    show: (shown) => {
      token = shown;
      spare?.line.show(shown);
      for (const line of used) line.show(shown);
    },
    inUse: () => used.size,
    drain,
    end: () => {
      drain();
      for (const line of used) line.end();
    },
  };
}
