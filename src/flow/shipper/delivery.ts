import { setTimeout as pause } from 'node:timers/promises';
import { defaultBatch } from '../../contract/sinks.ts';
import type { SinkHealth, SinkSettings } from '../../contract/sinks.ts';
import { formats } from '../formats/format.ts';
import { BatchRefused } from '../sinks/sink.ts';
import type { OutgoingRecord, Receipt, Sink } from '../sinks/sink.ts';
import { createCommits } from './commits.ts';
import { createWakeUp } from './wake-up.ts';
import type { CursorFile } from './cursor-file.ts';
import { createFilter } from './filter.ts';
import { fullJitter } from './full-jitter.ts';
import type { RetryTimes } from './full-jitter.ts';
import { buildGapRecord } from './gap-record.ts';
import type { Origin } from '../record/envelope.ts';
import type { Positions } from './position.ts';
import { createRedaction } from './redact.ts';
import { keepRefused } from './refused-file.ts';
import { memberOf } from './spool-item.ts';
import type { SpoolItem } from './spool-item.ts';
import type { SpoolReader } from './spool-reader.ts';

export interface DeliveryParts {
  readonly settings: SinkSettings;
  readonly sink: Sink;
  readonly reader: SpoolReader;
  readonly cursor: CursorFile;
  /** From where to go on; the reader is there. */
  readonly positions: Positions;
  /** Where what the receiver will never take is kept. */
  readonly refusedFile: string;
  readonly origin: Origin;
  readonly retry?: RetryTimes;
  readonly clock?: () => number;
  readonly onTrouble: (problem: string, retryInMs: number) => void;
  readonly onRecovered: () => void;
}

/**
 * How long what comes waits for more: each batch costs a receiver's disk and ours, and the process that delivers has no more of them
 * a second than this allows, however often workers write.
 */
const gatherMs = 50;

/** The way of one sink's records from the spool to its receiver. */
export interface Delivery {
  /** There may be something new. */
  notice(): void;
  /** Where the receiver has acknowledged up to; what lies behind is not delivered. */
  readonly acknowledged: Positions;
  health(): Omit<SinkHealth, 'lagRecords'>;
  /** Delivers what is there, for so long at most, ends the connection, and leaves the cursor on disk. */
  stop(withinMs: number): Promise<void>;
}

/**
 * Reads, filters, redacts, formats, sends; waits for the acknowledgement; moves the cursor. Of what was sent and is not
 * acknowledged only the places are kept, so that a receiver that is slow costs one batch of memory, and one that fails
 * costs none: its records are read again.
 */
export function startDelivery(parts: DeliveryParts): Delivery {
  const { settings, sink, reader, origin, clock = Date.now } = parts;
  const filter = createFilter(settings.filter);
  const redaction = createRedaction(settings.redact);
  const format = formats[settings.format];
  const batch = settings.batch ?? defaultBatch;
  const news = createWakeUp();
  const stopping = new AbortController();
  let maxRecords = batch.maxRecords;
  let delivered = 0;
  let refused = 0;
  let problem: string | undefined;
  let failures = 0;
  /** Of an acknowledgement that will not come. */
  let failure: { readonly error: unknown } | undefined;
  /** Why records of some chain are not delivered, beside those of all others. */
  let passedOver: string | undefined;
  /** Of what is being sent, or is to be sent again. */
  let oldest: number | undefined;

  const commits = createCommits({
    cursor: parts.cursor,
    positions: parts.positions,
    onAcknowledged(records) {
      delivered += records;
      failures = 0;
      if (problem !== undefined) parts.onRecovered();
      problem = undefined;
      news.notify();
    },
    onFailure(error) {
      failure ??= { error };
      news.notify();
    },
    onUnsaved: (error) => parts.onTrouble(`the cursor cannot be saved: ${messageOf(error)}`, 0),
  });

  function prepare(items: readonly SpoolItem[]): { outgoing: OutgoingRecord[]; unreadable: string[] } {
    const outgoing: OutgoingRecord[] = [];
    const unreadable: string[] = [];
    for (const item of items) {
      if (item.kind === 'unreadable') {
        unreadable.push(item.line.toString('utf8'));
        continue;
      }
      // What is missing is told whatever the filter says.
      const record =
        item.kind === 'gap' ? buildGapRecord(item.gap, settings.name, origin, clock()) : item.record;
      if (item.kind === 'record' && !filter(record)) continue;
      const shown = redaction === undefined ? record : redaction(record);
      // As it was written, byte for byte, wherever it can be: its hash still proves it at the receiver.
      const isAsWritten = item.kind === 'record' && redaction === undefined && settings.format === 'ocsf';
      outgoing.push({ record: shown, text: isAsWritten ? item.text : format(shown) });
    }
    return { outgoing, unreadable };
  }

  async function keep(entries: { reason: string; text: string }[]): Promise<void> {
    if (entries.length === 0) return;
    await keepRefused(parts.refusedFile, entries, clock());
    refused += entries.length;
  }

  /** One batch; false where there was none. */
  async function deliverNext(): Promise<boolean> {
    const read = await reader.read({ records: maxRecords, bytes: batch.maxKilobytes * 1024 });
    tellPassedOver();
    oldest = read === undefined ? undefined : oldestOf(read.items);
    if (read === undefined) return false;
    const { outgoing, unreadable } = prepare(read.items);
    await keep(unreadable.map((text) => ({ reason: 'is no flow record', text })));
    const receipt = outgoing.length === 0 ? {} : await sendOrRefuse(outgoing);
    const rejected = receipt.refused ?? [];
    await keep(rejected.map(({ index, reason }) => ({ reason, text: outgoing[index]?.text ?? '' })));
    commits.add({
      change: read.change,
      oldest,
      records: outgoing.length - rejected.length,
      acknowledged: receipt.acknowledged ?? Promise.resolve(),
    });
    maxRecords = Math.min(batch.maxRecords, maxRecords * 2);
    return true;
  }

  /** A chain that cannot be read is on somebody's mind when it begins; health names it while it lasts. */
  function tellPassedOver(): void {
    if (reader.problem === passedOver) return;
    passedOver = reader.problem;
    if (passedOver === undefined) parts.onRecovered();
    else parts.onTrouble(passedOver, 0);
  }

  async function sendOrRefuse(outgoing: readonly OutgoingRecord[]): Promise<Receipt> {
    try {
      return await sink.send(outgoing);
    } catch (error) {
      if (!(error instanceof BatchRefused) || outgoing.length > 1) throw error;
      return { refused: [{ index: 0, reason: error.message }] };
    }
  }

  async function recover(error: unknown): Promise<void> {
    commits.forget();
    failure = undefined;
    reader.reset(commits.acknowledged);
    if (error instanceof BatchRefused) {
      maxRecords = Math.max(1, Math.floor(maxRecords / 2));
      return;
    }
    failures += 1;
    problem = messageOf(error);
    const pauseMs = fullJitter(failures, parts.retry);
    parts.onTrouble(problem, pauseMs);
    await pauseUnless(stopping.signal, pauseMs);
  }

  async function run(): Promise<void> {
    for (;;) {
      try {
        if (failure !== undefined) throw failure.error;
        if (commits.waiting >= sink.maxUnacknowledged) await news.wait();
        else if (!(await deliverNext())) {
          if (stopping.signal.aborted) return;
          await news.wait();
          await pauseUnless(stopping.signal, gatherMs);
        }
      } catch (error) {
        if (stopping.signal.aborted) return;
        await recover(error);
      }
    }
  }
  const running = run();

  return {
    notice: () => news.notify(),
    acknowledged: commits.acknowledged,
    health() {
      const since = commits.oldest ?? oldest;
      return {
        name: settings.name,
        type: settings.type,
        lagSeconds: since === undefined ? 0 : Math.max(0, Math.round((clock() - since) / 1000)),
        delivered,
        refused,
        problem: problem ?? passedOver,
      };
    },
    async stop(withinMs) {
      stopping.abort();
      news.notify();
      const enough = new AbortController();
      await Promise.race([running, pauseUnless(enough.signal, withinMs)]);
      enough.abort();
      // What was being sent when the time was over fails by this, which ends the loop.
      await sink.close();
      news.notify();
      await running;
      await commits.close();
    },
  };
}

async function pauseUnless(signal: AbortSignal, milliseconds: number): Promise<void> {
  try {
    await pause(milliseconds, undefined, { signal });
  } catch {
    // Told to go on.
  }
}

/** Bounded: a receiver may answer whatever it likes. */
const messageOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).slice(0, 1000);

/** When the first of them was recorded, in epoch milliseconds. */
function oldestOf(items: readonly SpoolItem[]): number | undefined {
  const times = items.flatMap((item) => {
    const time = item.kind === 'record' ? memberOf(item.record, 'metadata', 'logged_time') : undefined;
    return typeof time === 'number' ? [time] : [];
  });
  return times.length === 0 ? undefined : Math.min(...times);
}
