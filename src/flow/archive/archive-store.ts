import type { PendingFiles } from './manifest.ts';

export type StagedFile = PendingFiles['files'][number];

/** Where files of an archive are kept. */
export interface ArchiveStore {
  /**
   * Gives a file, whole on this disk, its name there: durable when it resolves, and the staged file is gone. Again is the
   * same. @throws with a sentence where it cannot be done now
   */
  publish(file: StagedFile, staged: string): Promise<void>;
  /** Some were published: a time to tidy up, for those that do. Never throws. */
  published(files: readonly StagedFile[]): void;
  /** Ends what is under way. Never throws. */
  close(): Promise<void>;
}
