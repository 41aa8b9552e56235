/**
 * Where keys of people and of months lie, sealed: whoever has the store alone learns nothing from it. What is dropped is
 * gone for good.
 */
export interface PeopleStore {
  get(name: string): Promise<string | undefined>;
  /** The same, where it is known that it stays; undefined otherwise, also for what is there: `putNew` sees to it. */
  getLasting(name: string): Promise<string | undefined>;
  /** Puts it where there is none, and returns what is there then. Durable when it resolves. */
  putNew(name: string, sealed: string): Promise<string>;
  all(): Promise<ReadonlyMap<string, string>>;
  /** Durable when it resolves, again for what is gone. */
  drop(name: string): Promise<void>;
  close(): void;
}
