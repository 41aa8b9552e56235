import { DatabaseSync } from 'node:sqlite';

const waitMs = 5000;

/**
 * A lock in a file, for this process alone: a transaction that is never ended. The system ends it with the process, however that
 * ends. Waits a while for one that is just going. @throws where another process keeps it, or the file cannot be made
 */
export function lockForThisProcess(path: string): { release(): void } {
  const database = new DatabaseSync(path, { timeout: waitMs });
  try {
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    throw error;
  }
  return { release: () => database.close() };
}
