import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DetectionsSinkSettings } from '../../../contract/sinks.ts';
import { allDetections } from '../../../detections/all-detections.ts';
import { createDetectionEngine } from '../../../detections/engine.ts';
import { replaceFile } from '../../../ledger/durable-file.ts';
import { detectionsWorker } from '../../spool/chain.ts';
import { createFlowRecorder, heartbeatMs } from '../../recorder.ts';
import { memberOf } from '../../shipper/spool-item.ts';
import type { FlowRecord } from '../../shipper/spool-item.ts';
import type { SinkPlace } from '../create-sink.ts';
import type { Sink } from '../sink.ts';
import { readPlaces } from './places.ts';
import { createSeenReader } from './read-seen.ts';

/** What was seen counts as delivered when the memory of it is on the disk. So often at most, and in so small a part of the time, is that written. */
const saveEveryMs = 500;
const savingShare = 1 / 50;
const format = 'postern-detections-1';

interface Saved {
  readonly format: string;
  readonly engine?: unknown;
  readonly reader?: unknown;
}

/**
 * Detections as a receiver of records: what they find is recorded in a chain of this process, beside those of the workers, and so
 * delivered, searched and proven as all else. What was seen since the memory was saved is seen again after a crash.
 */
export async function createDetectionsSink(
  settings: DetectionsSinkSettings,
  place: SinkPlace,
): Promise<Sink> {
  const { name, off = [], learnDays, places: file } = settings;
  const places = file === undefined ? undefined : await readPlaces(file);
  const stateFile = join(place.sinkDirectory, `${name}.memory`);
  const saved = readState(stateFile, place.onTrouble);
  const reader = createSeenReader(saved?.reader);
  const engine = createDetectionEngine(
    allDetections.filter(({ rule }) => !off.some((each) => each === rule)),
    { learnDays, placeOf: (address) => places?.placeOf(address) },
    saved?.engine,
  );
  const recorder = createFlowRecorder({
    directory: place.flowDirectory,
    gateway: place.gateway,
    domain: place.origin.domain,
    bootId: place.bootId,
    worker: detectionsWorker,
    productVersion: place.origin.productVersion,
    onFailure: (error) => place.onTrouble(error.message),
  });
  // Without it nobody could tell whether this chain is over.
  const beat = (): void => recorder.heartbeat({ offsetMs: null, against: null }, []);
  beat();
  const beating = setInterval(beat, heartbeatMs).unref();
  let waiting: PromiseWithResolvers<void>[] = [];
  let saving: NodeJS.Timeout | undefined;
  let savedInMs = 0;

  const save = (): void => {
    clearTimeout(saving);
    saving = undefined;
    const told = waiting;
    waiting = [];
    if (told.length === 0) return;
    const startedAt = performance.now();
    try {
      const state = { format, engine: engine.save(), reader: reader.save() } satisfies Saved;
      replaceFile(stateFile, Buffer.from(JSON.stringify(state)));
      for (const { resolve } of told) resolve();
      savedInMs = performance.now() - startedAt;
    } catch (error) {
      for (const { reject } of told) reject(error);
    }
  };

  return {
    maxUnacknowledged: 1000,
    async send(batch) {
      let found = 0;
      for (const { record } of batch) {
        const origin = originOf(record);
        if (origin === undefined) continue;
        for (const finding of engine.see(() => reader.read(record), origin.chain, origin.number)) {
          recorder.finding(finding);
          found += 1;
        }
      }
      if (found > 0) await new Promise<void>((resolve) => recorder.whenSynced(resolve));
      const receipt = Promise.withResolvers<void>();
      waiting.push(receipt);
      saving ??= setTimeout(save, Math.max(saveEveryMs, savedInMs / savingShare));
      return { acknowledged: receipt.promise };
    },
    async close() {
      clearInterval(beating);
      save();
      recorder.close();
    },
  };
}

/** Chain and number of a record; undefined for what this process recorded itself, and for what is declared missing. */
function originOf(record: FlowRecord): { readonly chain: string; readonly number: number } | undefined {
  const postern = memberOf(record, 'unmapped', 'postern');
  const [worker, startedAt, boot] = ['worker', 'workerStartedAt', 'boot'].map((each) =>
    memberOf(postern, each),
  );
  const number = memberOf(record, 'metadata', 'sequence');
  return typeof worker === 'number' && worker !== detectionsWorker && typeof number === 'number'
    ? { chain: JSON.stringify([worker, startedAt, boot]), number }
    : undefined;
}

/** None at the first start; one that cannot be used is told of, and begins from nothing. */
function readState(path: string, onTrouble: (problem: string) => void): Saved | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const state = JSON.parse(text) as Saved;
    if (state.format === format) return state;
  } catch {
    // Told below.
  }
  onTrouble(`${path} is no memory of detections: they learn anew`);
  return undefined;
}
