/**
 * What one server tells all that share its fleeting things, itself among them. Nothing is kept: who does not listen at
 * that moment never hears of it.
 */
export interface FleetingSignals {
  /** Never fails: where the others cannot be told, this server is. */
  send(text: string): Promise<void>;
  /** @returns what ends it. */
  listen(listener: (text: string) => void): () => void;
}

/** Within this process. */
export function createMemorySignals(): FleetingSignals {
  const listeners = new Set<(text: string) => void>();
  return {
    async send(text) {
      for (const listener of listeners) listener(text);
    },
    listen(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
