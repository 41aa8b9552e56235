/** Remembers what was used last, up to a bound: what was not used for longest is forgotten for it. */
export class BoundedMap<Value> {
  readonly #entries = new Map<string, Value>();
  readonly #most: number;

  /** `saved`: entries as `save` gave them; anything else is none. */
  constructor(most: number, saved?: unknown) {
    this.#most = most;
    if (!Array.isArray(saved)) return;
    for (const entry of saved.slice(-most) as unknown[])
      if (Array.isArray(entry) && typeof entry[0] === 'string')
        this.#entries.set(entry[0], entry[1] as Value);
  }

  get(key: string): Value | undefined {
    return this.#entries.get(key);
  }

  /** It counts as used last. */
  set(key: string, value: Value): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > this.#most && oldest !== undefined) this.#entries.delete(oldest);
  }

  get size(): number {
    return this.#entries.size;
  }

  save(): readonly (readonly [string, Value])[] {
    return [...this.#entries];
  }
}
