import type { KeyObject } from 'node:crypto';
import { streamName } from '../spool/segment-names.ts';
import type { FlowStream } from '../spool/chain.ts';
import type { RetiredPart } from '../spool/retired.ts';
import type { CheckpointedRecords } from './checkpoint.ts';
import { openCheckpointLog } from './checkpoint-log.ts';
import { observeStreams } from './observe-streams.ts';
import type { ObserveOptions } from './observe-streams.ts';

export interface CheckpointerOptions {
  /** Where the records are. */
  readonly recordDirectory: string;
  /** Where their checkpoints go, out of the reach of those who write records. */
  readonly directory: string;
  readonly records: CheckpointedRecords;
  readonly privateKey: KeyObject;
  readonly lifeOf: ObserveOptions['lifeOf'];
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** A chain was found with another past than was signed; each is told of once. */
  readonly onRewritten: (stream: string) => void;
  readonly onFailure: (error: Error) => void;
  readonly everyMs?: number;
}

/** Signs how far the chains of one directory are, again and again. */
export interface Checkpointer {
  /** Signs what went on since the last time. Rejects with what the file system throws. */
  tick(): Promise<void>;
  /** Signs that the beginning of a chain, or all of one that is over, is about to be removed: to be awaited before it is. */
  readonly retiring: (stream: FlowStream, part: RetiredPart, isOver?: boolean) => Promise<void>;
  /** What was signed of the beginning of a chain. */
  readonly retiredOf: (stream: FlowStream) => RetiredPart | undefined;
  /** Removes checkpoints of files that say nothing later than a time (epoch milliseconds). @returns how many files */
  retire(before: number): Promise<number>;
  /** Signs for the last time. */
  close(): Promise<void>;
}

const usualEveryMs = 10_000;
/** While nothing is recorded, this is often enough to say so. */
const idleEveryMs = 60_000;

/** @throws what the file system throws, when the log of checkpoints cannot be opened */
export async function startCheckpointer(options: CheckpointerOptions): Promise<Checkpointer> {
  const { recordDirectory, directory, records, privateKey, lifeOf, now, onFailure } = options;
  const { everyMs = usualEveryMs } = options;
  const log = await openCheckpointLog({ directory, records, privateKey });
  const told = new Set<string>();
  let lastAt = Number.NEGATIVE_INFINITY;
  /** One thing at a time: a look takes long where there are many files. */
  let queue: Promise<unknown> = Promise.resolve();
  const inTurn = <Value>(act: () => Promise<Value>): Promise<Value> => {
    const result = queue.then(act);
    queue = result.catch(() => undefined);
    return result;
  };

  const look = async (): Promise<void> => {
    const changed = await observeStreams({
      directory: recordDirectory,
      known: log.marks,
      lifeOf,
      now: now(),
      onRewritten(stream) {
        if (told.has(stream)) return;
        told.add(stream);
        options.onRewritten(stream);
      },
    });
    const at = now();
    if (changed.length === 0 && at - lastAt < idleEveryMs && at >= lastAt) return;
    log.append(changed, at);
    lastAt = at;
  };
  // So that there is one from the beginning, and it has what those wrote last who were killed with the server before.
  await look();
  const timer = setInterval(() => {
    inTurn(look).catch((error: unknown) => onFailure(error as Error));
  }, everyMs).unref();

  return {
    tick: () => inTurn(look),
    retiring: (stream, part, isOver = false) =>
      inTurn(async () => {
        const name = streamName(stream);
        const { segment, sequence, hash } = part;
        const known = log.marks.get(name) ?? { stream: name, segment, sequence, hash, ended: false };
        const at = now();
        log.append([{ ...known, ended: known.ended || isOver, retired: { at, ...part } }], at);
      }),
    retiredOf: (stream) => log.marks.get(streamName(stream))?.retired,
    retire: (before) => inTurn(() => log.retire(before, now())),
    async close() {
      clearInterval(timer);
      await inTurn(look).catch((error: unknown) => onFailure(error as Error));
      log.close();
    },
  };
}
