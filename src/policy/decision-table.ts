import type { KeyPart } from './context-leaves.ts';

/** Bounds what several tables hold together; at the bound all are emptied, which costs a decision each and no more. */
export interface EntryBudget {
  readonly limit: number;
  used: number;
  /** Grows by one each time that everything is dropped. */
  epoch: number;
}

export const createEntryBudget = (limit: number): EntryBudget => ({ limit, used: 0, epoch: 0 });

/** Empties every table of the budget. */
export function dropEntries(budget: EntryBudget): void {
  budget.used = 0;
  budget.epoch++;
}

export interface DecisionTable<Value> {
  get(key: readonly KeyPart[]): Value | undefined;
  set(key: readonly KeyPart[], value: Value): void;
}

/**
 * Values by keys of a fixed number of parts: a tree of Maps, one level a part. Parts are never joined into a text, so
 * no two different keys can meet (`["a","bc"]` and `["ab","c"]`, `1` and `"1"`).
 */
export function createDecisionTable<Value>(arity: number, budget: EntryBudget): DecisionTable<Value> {
  type Level = Map<KeyPart, unknown>;
  let root: Level = new Map();
  let epoch = budget.epoch;
  const check = (key: readonly KeyPart[]): void => {
    if (key.length !== arity) throw new TypeError(`key of ${key.length} parts where ${arity} are due`);
    if (epoch === budget.epoch) return;
    root = new Map();
    epoch = budget.epoch;
  };
  return {
    get(key) {
      check(key);
      let level: unknown = root;
      for (const part of key) {
        level = (level as Level).get(part);
        if (level === undefined) return undefined;
      }
      return arity === 0 ? (root.get(undefined) as Value | undefined) : (level as Value);
    },
    set(key, value) {
      if (budget.used >= budget.limit) dropEntries(budget);
      check(key);
      budget.used++;
      const path = arity === 0 ? [undefined] : key;
      let level = root;
      for (const part of path.slice(0, -1)) {
        let next = level.get(part) as Level | undefined;
        if (next === undefined) level.set(part, (next = new Map()));
        level = next;
      }
      level.set(path.at(-1), value);
    },
  };
}
