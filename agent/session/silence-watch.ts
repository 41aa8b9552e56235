import { startStopwatch } from '../clock.ts';
import type { Clock } from '../clock.ts';
import { createPulse } from './pulse.ts';

/**
 * How soon after a flow began, or data was last seen, a session that says nothing is asked whether it is there. Data that
 * came just before a gateway fell silent is seen one look later, so that two of these and the time for an answer pass
 * before flows move: that must stay well under a second.
 */
const firstLookMs = 150;
/** How long it may take to answer before another session is preferred. */
const answerMs = 400;
/** A silence that has been asked about is asked about more rarely the longer it lasts: a tenth of its age, at most this. */
const longestLookMs = 30_000;
/** After which it is looked for signs of life from a session that did not answer. */
const silentLookMs = 1000;

/** Between two looks, so much in one direction is a download or an upload that others should not stand behind. */
const bulkBytes = 128 * 1024;
/** And so many looks in a row: a page that loads is over by then. */
const bulkLooks = 4;
/** How long after its last such look a session counts as busy with one. */
const bulkMemorySeconds = 3;

export interface SilenceWatchOptions {
  readonly clock: Clock;
  readonly ended: Promise<unknown>;
  /** What went over the connection so far. */
  readonly bytes: () => { readonly received: number; readonly sent: number };
  openFlows(): number;
  /** Whether the other end answers within the limit. */
  answers(limitMs: number): Promise<boolean>;
  /** Flows wait, nothing comes, and a PING was not answered in time: dead, or slow. */
  onSilence(): void;
  onBulk(): void;
}

/** Watches a connection while flows are on it; without any it has no timer. */
export interface SilenceWatch {
  flowOpened(): void;
  /** True from an unanswered PING until the next byte. */
  isSilent(): boolean;
  /** A long transfer fills the connection. */
  isBusyWithBulk(): boolean;
}

export function watchForSilence(options: SilenceWatchOptions): SilenceWatch {
  const { clock, bytes } = options;
  const opened = createPulse();
  const over = new AbortController();
  let isSilent = false;
  let sleep: { readonly ms: number; readonly ending: AbortController } | undefined;
  let sinceData = startStopwatch(clock);
  let sinceBulk: (() => number) | undefined;
  let bulkRun = 0;

  const pause = async (ms: number): Promise<void> => {
    sleep = { ms, ending: new AbortController() };
    await clock.sleep(ms, sleep.ending.signal);
    sleep = undefined;
  };
  const meter = (received: number, sent: number): void => {
    bulkRun = Math.max(received, sent) >= bulkBytes ? bulkRun + 1 : 0;
    if (bulkRun < bulkLooks) return;
    const isNew = !isBusyWithBulk();
    sinceBulk = startStopwatch(clock);
    if (isNew) options.onBulk();
  };
  const isBusyWithBulk = (): boolean => sinceBulk !== undefined && sinceBulk() < bulkMemorySeconds;

  const watchFlows = async (): Promise<void> => {
    let seen = bytes();
    while (!over.signal.aborted && options.openFlows() > 0) {
      await pause(Math.min(longestLookMs, Math.max(firstLookMs, sinceData() * 100)));
      const now = bytes();
      meter(now.received - seen.received, now.sent - seen.sent);
      if (now.received !== seen.received) {
        seen = now;
        isSilent = false;
        sinceData = startStopwatch(clock);
        continue;
      }
      if (over.signal.aborted || options.openFlows() === 0) return;
      const isThere = (await options.answers(answerMs)) || bytes().received !== seen.received;
      // The answer to a PING is a sign of life, and not one of activity.
      seen = bytes();
      if (isThere || over.signal.aborted) continue;
      isSilent = true;
      options.onSilence();
      while (!over.signal.aborted && bytes().received === seen.received) await pause(silentLookMs);
      isSilent = false;
    }
  };
  const run = async (): Promise<void> => {
    while (!over.signal.aborted) {
      if (options.openFlows() === 0) await opened.next();
      await watchFlows();
    }
  };

  void options.ended.then(() => {
    over.abort();
    sleep?.ending.abort();
    opened.beat();
  });
  void run();
  return {
    flowOpened: () => {
      sinceData = startStopwatch(clock);
      opened.beat();
      if (sleep !== undefined && sleep.ms > firstLookMs && !isSilent) sleep.ending.abort();
    },
    isSilent: () => isSilent,
    isBusyWithBulk,
  };
}
