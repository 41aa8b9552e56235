/**
 * What may be forgotten: presence, counts, answers. It expires by itself and never goes in the ledger. Servers on one
 * Redis share it; a single server has it in memory. It never fails: where it cannot remember, it has forgotten.
 */
export interface FleetingStore {
  get(key: string): Promise<string | undefined>;
  /** Whether all who share it can see it now. */
  put(key: string, value: string, ttlMs: number): Promise<boolean>;
  /** Puts the value unless there is one already: then returns that. One of several who do this at once puts it. */
  claim(key: string, value: string, ttlMs: number): Promise<string | undefined>;
  /** Counts one more, in a window that begins with the first. Returns how many there were in it. */
  count(key: string, windowMs: number): Promise<number>;
  drop(key: string): Promise<void>;
}

/** Bounds on what one kind of fleeting thing may take of this process's memory. */
export interface FleetingBounds {
  readonly maxEntries: number;
}
