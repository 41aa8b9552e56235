import type { FleetingBounds, FleetingStore } from './fleeting-store.ts';

interface Entry {
  readonly value: string;
  readonly expiresAt: number;
}

/** In this process's memory. Past its bound it forgets what was written longest ago. `clock` in epoch milliseconds. */
export function createMemoryFleeting(clock: () => number, { maxEntries }: FleetingBounds): FleetingStore {
  const entries = new Map<string, Entry>();
  const current = (key: string): Entry | undefined => {
    const entry = entries.get(key);
    return entry !== undefined && clock() < entry.expiresAt ? entry : undefined;
  };
  const write = (key: string, entry: Entry): void => {
    // Newest last.
    entries.delete(key);
    entries.set(key, entry);
    const [oldest] = entries.keys();
    if (entries.size > maxEntries && oldest !== undefined) entries.delete(oldest);
  };
  return {
    async get(key) {
      return current(key)?.value;
    },
    async put(key, value, ttlMs) {
      write(key, { value, expiresAt: clock() + ttlMs });
      return true;
    },
    async claim(key, value, ttlMs) {
      const held = current(key);
      if (held === undefined) write(key, { value, expiresAt: clock() + ttlMs });
      return held?.value;
    },
    async count(key, windowMs) {
      const window = current(key) ?? { value: '0', expiresAt: clock() + windowMs };
      const value = String(Number(window.value) + 1);
      write(key, { ...window, value });
      return Number(value);
    },
    async drop(key) {
      entries.delete(key);
    },
  };
}
