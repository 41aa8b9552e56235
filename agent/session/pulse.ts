/** Something that happens again and again, for whoever waits at that moment. */
export interface Pulse {
  beat(): void;
  /** Resolves with the next beat. For what comes soon: a promise that nobody wants any more is kept until then. */
  next(): Promise<void>;
  /** Calls back at each beat. Returns what ends that. */
  on(listener: () => void): () => void;
}

export function createPulse(): Pulse {
  let waiting = Promise.withResolvers<void>();
  const listeners = new Set<() => void>();
  return {
    beat: () => {
      waiting.resolve();
      waiting = Promise.withResolvers();
      for (const listener of [...listeners]) listener();
    },
    next: () => waiting.promise,
    on: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
