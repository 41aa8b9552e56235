import { mkdirSync } from 'node:fs';
import type { Checkpointer } from '../../flow/checkpoints/checkpointer.ts';
import { createAccessRecorder } from '../../flow/access-recorder.ts';
import type { AccessRecorder, AccessRecorderOptions } from '../../flow/access-recorder.ts';
import { readAccess } from '../../flow/read/read-access.ts';
import type { AccessPage, AccessQuery } from '../../flow/read/read-access.ts';
import { retireSegments } from '../../flow/spool/retire-segments.ts';

/** Who read what over this server's API: written before the answer leaves, read by auditors. */
export interface AccessLog extends AccessRecorder {
  /** @throws RangeError for a place that is none. */
  read(query: AccessQuery): Promise<AccessPage>;
  /**
   * Removes what was recorded before a time, in epoch milliseconds; it is signed before a chain loses its beginning.
   * @returns how many files that were
   */
  retire(before: number, checkpointer: Pick<Checkpointer, 'retiring' | 'retiredOf'>): Promise<number>;
}

/** Opens a chain of its own in the directory, which is made where it is not there. @throws what the file system throws. */
export function openAccessLog(options: AccessRecorderOptions): AccessLog {
  mkdirSync(options.directory, { recursive: true, mode: 0o700 });
  const recorder = createAccessRecorder(options);
  return {
    ...recorder,
    read: (query) => readAccess(options.directory, query),
    retire: (before, { retiring, retiredOf }) =>
      retireSegments({
        directory: options.directory,
        before,
        isWritten: ({ bootId, startedAt }) =>
          bootId === recorder.stream.bootId && startedAt === recorder.stream.startedAt,
        retiredOf,
        retiring,
      }),
  };
}
