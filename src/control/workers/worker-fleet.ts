/** What a change that was made waits for: every worker has it in force. */
export interface WorkerFleet {
  /**
   * Resolves when all workers have said `applied` for the ledger's entry `sequence`, or after `timeoutMs`. A worker
   * that is gone serves nothing and is not waited for. Never rejects.
   */
  applied(
    sequence: number,
    timeoutMs: number,
  ): Promise<{ readonly enforcedInMs: number; readonly pending: number }>;
}

/** The fleet as the process that talks to the workers keeps it. */
export interface TrackedFleet extends WorkerFleet {
  /**
   * A worker was given a state. What it has in force is known only when it says so: it may be one that was serving
   * before this process started, with an older state.
   */
  started(worker: number): void;
  acknowledged(worker: number, sequence: number): void;
  gone(worker: number): void;
  /** The workers that were started and live, by number, with the sequence that each said it has in force. */
  readonly workers: ReadonlyMap<number, number>;
}

export function createWorkerFleet(now: () => number = () => performance.now()): TrackedFleet {
  const workers = new Map<number, number>();
  const waiting = new Set<() => void>();
  const wake = (): void => {
    for (const look of waiting) look();
  };
  return {
    workers,
    started(worker) {
      workers.set(worker, 0);
    },
    acknowledged(worker, sequence) {
      const before = workers.get(worker);
      // One that never said hello to this process has a state that we know nothing of.
      if (before === undefined || sequence <= before) return;
      workers.set(worker, sequence);
      wake();
    },
    gone(worker) {
      workers.delete(worker);
      wake();
    },
    applied(sequence, timeoutMs) {
      const start = now();
      const pending = (): number => [...workers.values()].filter((applied) => applied < sequence).length;
      return new Promise((resolve) => {
        const finish = (): void => {
          clearTimeout(timer);
          waiting.delete(look);
          resolve({ enforcedInMs: now() - start, pending: pending() });
        };
        const look = (): void => {
          if (pending() === 0) finish();
        };
        const timer = setTimeout(finish, timeoutMs);
        waiting.add(look);
        look();
      });
    },
  };
}
