import type { CursorFile } from './cursor-file.ts';
import { applyChange } from './position.ts';
import type { Position, PositionChange, Positions } from './position.ts';

/** A batch that was sent. */
export interface SentBatch {
  readonly change: PositionChange;
  readonly records: number;
  /** When the first of them was recorded, in epoch milliseconds. */
  readonly oldest: number | undefined;
  readonly acknowledged: Promise<void>;
}

/**
 * What was sent, in order, until it is acknowledged: then, and only then, the cursor moves. An acknowledgement that
 * comes before that of an earlier batch waits for it.
 */
export interface Commits {
  readonly acknowledged: Positions;
  /** Batches without their acknowledgement. */
  readonly waiting: number;
  /** Of the records in them. */
  readonly oldest: number | undefined;
  add(batch: SentBatch): void;
  /** Gives up what waits: it is sent again. */
  forget(): void;
  /** Leaves the cursor on disk. */
  close(): Promise<void>;
}

export interface CommitsParts {
  readonly cursor: CursorFile;
  readonly positions: Positions;
  readonly onAcknowledged: (records: number) => void;
  readonly onFailure: (error: unknown) => void;
  /** The cursor does not reach the disk: what is delivered meanwhile comes twice after a restart. */
  readonly onUnsaved: (error: unknown) => void;
}

/** The least time between two writes of the cursor, each of which waits for the disk. */
const saveEveryMs = 200;

export function createCommits(parts: CommitsParts): Commits {
  const acknowledged = new Map<string, Position>(parts.positions);
  let queue: { readonly batch: SentBatch; isAcknowledged: boolean }[] = [];
  let isDirty = false;
  let saving: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;

  async function save(): Promise<void> {
    isDirty = false;
    try {
      await parts.cursor.save(acknowledged);
    } catch (error) {
      isDirty = true;
      parts.onUnsaved(error);
    }
  }

  function saveSoon(): void {
    isDirty = true;
    if (saving !== undefined || timer !== undefined) return;
    saving = save().finally(() => {
      saving = undefined;
      timer = setTimeout(() => {
        timer = undefined;
        if (isDirty) saveSoon();
      }, saveEveryMs);
    });
  }

  function moveOn(): void {
    while (queue[0]?.isAcknowledged === true) {
      const { batch } = queue.shift() ?? queue[0];
      applyChange(acknowledged, batch.change);
      saveSoon();
      parts.onAcknowledged(batch.records);
    }
  }

  return {
    acknowledged,
    get waiting() {
      return queue.length;
    },
    get oldest() {
      return queue.find(({ batch }) => batch.oldest !== undefined)?.batch.oldest;
    },
    add(batch) {
      const entry = { batch, isAcknowledged: false };
      queue.push(entry);
      batch.acknowledged.then(
        () => {
          entry.isAcknowledged = true;
          if (queue.includes(entry)) moveOn();
        },
        (error: unknown) => {
          if (queue.includes(entry)) parts.onFailure(error);
        },
      );
    },
    forget: () => (queue = []),
    async close() {
      clearTimeout(timer);
      await saving;
      clearTimeout(timer);
      if (isDirty) await save();
    },
  };
}
