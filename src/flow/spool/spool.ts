import { chainStart } from './chain.ts';
import type { FlowStream } from './chain.ts';
import { frameOverhead, writeFrame } from '../frames/frame.ts';
import { contextWindow } from '../frames/record-reader.ts';
import { openSegments } from './segments.ts';

export interface SpoolOptions {
  readonly directory: string;
  readonly stream: FlowStream;
  /** A segment that has grown beyond this is followed by the next. */
  readonly segmentBytes?: number;
  /** So is one that is not empty and, when it was last synced, had begun as long ago; however long without it. */
  readonly segmentMs?: number;
  /** Told once each time writing stops working, and of what cannot be mended. */
  readonly onFailure?: (error: Error) => void;
}

/** What records have in common, to be written before the first of them, and again where a reader looks back no further. */
export interface SpoolContext {
  /** ASCII JSON. */
  readonly text: string;
  /** Where it was written last, as the spool counts; 0 before. One context belongs to one spool. */
  window: number;
}

/** What a line of short records is of. */
export interface ShortRecords {
  /** Of each its context; the same one may be there many times. */
  readonly contexts: readonly SpoolContext[];
}

export interface Spool {
  readonly stream: FlowStream;
  /** Hash of the last record, for the next to name. */
  readonly head: string;
  /**
   * Takes a line, ASCII JSON: a whole record, or what some have beside their contexts.
   * @returns the bytes that it takes in the files. 0 when it was not taken: nothing can be written and what is waiting fills
   *   the memory that it may have.
   */
  append(text: string, shorts?: ShortRecords): number;
  /**
   * Calls back before it next writes, at the end of this turn of the event loop as a rule: to append then what need not be
   * appended before.
   */
  beforeWrite(callback: () => void): void;
  whenWritten(callback: () => void): void;
  /** Syncs at once, and calls when the disk has all that was appended so far; never, while it takes nothing. */
  whenSynced(callback: () => void): void;
  /** Asks for the disk to be reached within `milliseconds`. */
  syncWithin(milliseconds: number): void;
  readonly isHealthy: boolean;
  /** Records that the operating system has. */
  readonly written: number;
  close(): void;
}

const usualBufferBytes = 1024 * 1024;
/** What may wait in memory while the disk takes nothing: the end of some thousand flows. */
const mostBufferBytes = 32 * 1024 * 1024;
const retryAfterMs = 500;

/**
 * Appends records to segments, a line each, chained by hash. All lines of one turn of the event loop go in one write; those who wait
 * are told after it. When a write fails nobody is told, the rest is kept and tried again, and the chain goes on from the
 * very byte where it stopped. A failed fdatasync is final: the kernel may have dropped the pages and will not say so
 * twice, so this spool stays unhealthy until the worker is started anew.
 */
export function openSpool(options: SpoolOptions): Spool {
  const { segmentBytes = 64 * 1024 * 1024, segmentMs = Number.POSITIVE_INFINITY, onFailure } = options;
  const segments = openSegments(options.directory, options.stream);
  let buffer = Buffer.allocUnsafeSlow(usualBufferBytes);
  /** What waits lies between these two; `waitingRecords` counts the records that end there. */
  let from = 0;
  let to = 0;
  let waitingRecords = 0;
  /** What waits begins the next segment. */
  let isRotating = false;
  /** Counts the stretches of segments within which a context is not written twice; where this one began in its segment. */
  let window = 1;
  let windowBegan = 0;
  let segmentBegan = performance.now();
  let isSegmentOld = false;
  let written = 0;
  let head = chainStart(segments.stream);
  let callbacks: (() => void)[] = [];
  let appendLast: (() => void) | undefined;
  let flushing: NodeJS.Immediate | undefined;
  let retry: NodeJS.Timeout | undefined;
  let failure: Error | undefined;
  let isBeyondRepair = false;
  let isClosed = false;
  const syncer = createSyncer();

  function fail(error: Error): void {
    const isNews = failure === undefined;
    failure = error;
    // Not from here: a listener that records something must not do it in the middle of a record.
    if (isNews && onFailure !== undefined) queueMicrotask(() => onFailure(error));
  }

  /** Hands what waits to the operating system. Whoever waits for it is told later, by `flush`. */
  function writeOut(): boolean {
    if (isClosed || isBeyondRepair) return false;
    try {
      if (isRotating) {
        segments.rotate(failForGood);
        isRotating = false;
        segmentBegan = performance.now();
        isSegmentOld = false;
      }
      while (from < to) from += segments.write(buffer.subarray(from, to));
    } catch (error) {
      fail(error as Error);
      retry ??= setTimeout(() => {
        retry = undefined;
        flush();
      }, retryAfterMs).unref();
      return false;
    }
    const isMended = failure !== undefined;
    failure = undefined;
    from = 0;
    to = 0;
    if (buffer.length > usualBufferBytes) buffer = Buffer.allocUnsafeSlow(usualBufferBytes);
    written += waitingRecords;
    waitingRecords = 0;
    // Whoever waited for the disk before it was full still does.
    if (isMended) syncer.within(0);
    return true;
  }

  function takeLast(): void {
    const append = appendLast;
    appendLast = undefined;
    append?.();
  }

  function flush(): void {
    takeLast();
    clearImmediate(flushing);
    flushing = undefined;
    if (!writeOut()) return;
    const told = callbacks;
    callbacks = [];
    for (const callback of told) runGuarded(callback);
  }

  function failForGood(error: Error): void {
    isBeyondRepair = true;
    fail(error);
  }

  /** Makes room for a line, by writing what waits or, while that does not work, by more memory up to a bound. */
  function reserve(length: number): boolean {
    if (to + length <= buffer.length) return true;
    // Callbacks must not run from here: they may record, and this record already has its place in the chain.
    if (failure === undefined && writeOut()) flushing ??= setImmediate(flush);
    if (to + length <= buffer.length) return true;
    const size = Math.max(buffer.length * 2, to - from + length);
    if (size > mostBufferBytes) return false;
    const larger = Buffer.allocUnsafeSlow(size);
    buffer.copy(larger, 0, 0, to);
    buffer = larger;
    return to + length <= buffer.length;
  }

  /**
   * Where a record is to be taken: whether in the next segment, and whether its context must be written again, which is to be
   * in the same segment and not too far before it. A segment begins only where nothing waits, with a line and never with the
   * rest of one.
   */
  function beginStretch(): void {
    if (to === 0 && isSegmentOver()) {
      isRotating = true;
      window += 1;
      windowBegan = 0;
      return;
    }
    const place = isRotating ? to : segments.size + to - from;
    if (place - windowBegan < contextWindow) return;
    window += 1;
    windowBegan = place;
  }

  const isSegmentOver = (): boolean => segments.size >= segmentBytes || (segments.size > 0 && isSegmentOld);

  function createSyncer() {
    let timer: NodeJS.Timeout | undefined;
    /** Milliseconds that the timer was set to; infinite without one. */
    let waiting = Number.POSITIVE_INFINITY;
    let isSyncing = false;
    let waiters: { readonly sequence: number; readonly callback: () => void }[] = [];
    function run(): void {
      timer = undefined;
      waiting = Number.POSITIVE_INFINITY;
      if (isClosed || isBeyondRepair || isSyncing) return;
      if (flushing !== undefined) flush();
      if (failure !== undefined) return;
      isSyncing = true;
      const known = { sequence: written, hash: head, segment: segments.segment, isClosed: false };
      segments.sync((error) => {
        isSyncing = false;
        // Asked here, and not in each turn that records.
        isSegmentOld = performance.now() - segmentBegan >= segmentMs;
        if (isClosed) return;
        if (error !== null) return failForGood(error);
        try {
          segments.writeHead(known);
        } catch (headError) {
          fail(headError as Error);
          flushing ??= setImmediate(flush);
        }
        const reached = waiters.filter(({ sequence }) => sequence <= known.sequence);
        waiters = waiters.filter(({ sequence }) => sequence > known.sequence);
        if (written > known.sequence && timer === undefined) within(200);
        if (waiters.length > 0) within(0);
        for (const { callback } of reached) runGuarded(callback);
      });
    }
    function reached(callback: () => void): void {
      waiters.push({ sequence: written + waitingRecords, callback });
      within(0);
    }
    function within(milliseconds: number): void {
      // Asked for each record: the clock is not looked at while as short a wait is under way.
      if (milliseconds >= waiting) return;
      clearTimeout(timer);
      waiting = milliseconds;
      timer = setTimeout(run, milliseconds).unref();
    }
    return { within, reached, stop: () => clearTimeout(timer) };
  }

  return {
    stream: segments.stream,
    get head() {
      return head;
    },
    get isHealthy() {
      return failure === undefined && !isClosed;
    },
    get written() {
      return written;
    },
    append(text, shorts) {
      const length = text.length + frameOverhead;
      const contexts = shorts?.contexts ?? [];
      let contextsLength = 0;
      for (const context of contexts) contextsLength += context.text.length + frameOverhead;
      if (isClosed || isBeyondRepair || !reserve(contextsLength + length)) return 0;
      beginStretch();
      const start = to;
      for (const context of contexts) {
        if (context.window === window) continue;
        writeFrame(buffer, to, 'context', context.text);
        context.window = window;
        to += context.text.length + frameOverhead;
      }
      head = writeFrame(buffer, to, shorts === undefined ? 'record' : 'short', text);
      to += length;
      waitingRecords += shorts === undefined ? 1 : contexts.length;
      if (failure === undefined) flushing ??= setImmediate(flush);
      return to - start;
    },
    whenWritten(callback) {
      callbacks.push(callback);
      if (failure === undefined) flushing ??= setImmediate(flush);
    },
    beforeWrite(callback) {
      appendLast = callback;
      if (failure === undefined) flushing ??= setImmediate(flush);
    },
    whenSynced(callback) {
      takeLast();
      syncer.reached(callback);
    },
    syncWithin: (milliseconds) => syncer.within(milliseconds),
    close() {
      if (isClosed) return;
      flush();
      isClosed = true;
      clearTimeout(retry);
      syncer.stop();
      const isWhole = failure === undefined && !isBeyondRepair;
      try {
        segments.close(
          isWhole ? { sequence: written, hash: head, segment: segments.segment, isClosed: true } : undefined,
        );
      } catch (error) {
        fail(error as Error);
      }
    },
  };
}

/** One that throws must not keep the others from being told, and its error must not be lost. */
function runGuarded(callback: () => void): void {
  try {
    callback();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
