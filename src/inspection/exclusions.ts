import { argumentCollections } from './collections.ts';
import type { Item } from './collections.ts';
import type { Exclusion } from './request.ts';
import { isSelected, readVariables } from './seclang/rule-text.ts';
import type { VariableText } from './seclang/rule-text.ts';

type RuleLike = { readonly id: number; readonly tags: readonly string[] };
type Test = (rule: RuleLike) => boolean;

/** Rules, and what rules look at, that do not count for a request: as its application says, and as rules themselves say. */
export interface Exclusions {
  isRuleOut(rule: RuleLike): boolean;
  withoutTargets(id: number, tags: readonly string[], items: readonly Item[]): readonly Item[];
  /** `ctl` of a rule. */
  control(name: string, value: string): void;
}

interface TargetExclusion {
  readonly concerns: Test;
  readonly isOut: (item: Item) => boolean;
}

/** @param path of the request, as received. */
export function readExclusions(exclusions: readonly Exclusion[], path: string): Exclusions {
  const rules: Test[] = [];
  const targets: TargetExclusion[] = [];
  for (const { rules: ids, paths, arguments: names } of exclusions) {
    if (paths !== undefined && !paths.some((pattern) => isPathUnder(path, pattern))) continue;
    const concerns = ids === undefined ? () => true : idTest(ids);
    if (names === undefined) {
      rules.push(concerns);
      continue;
    }
    const keys = new Set(names.map((name) => name.toLowerCase()));
    targets.push({
      concerns,
      isOut: ({ collection, key }) => argumentCollections.has(collection) && keys.has(key),
    });
  }
  return {
    isRuleOut: (rule) => rules.some((concerns) => concerns(rule)),
    withoutTargets(id, tags, items) {
      if (targets.length === 0) return items;
      const concerned = targets.filter(({ concerns }) => concerns({ id, tags }));
      return concerned.length === 0
        ? items
        : items.filter((item) => !concerned.some(({ isOut }) => isOut(item)));
    },
    control(name, value) {
      const [what = '', target] = value.split(';', 2);
      const test = name.endsWith('bytag') ? tagTest(what) : idTest([what]);
      if (name === 'ruleremovebyid' || name === 'ruleremovebytag') rules.push(test);
      if (target === undefined || !name.startsWith('ruleremovetargetby')) return;
      for (const variable of readVariables(target))
        targets.push({ concerns: test, isOut: itemTest(variable) });
    },
  };
}

const isPathUnder = (path: string, pattern: string): boolean =>
  pattern.endsWith('*') ? path.startsWith(pattern.slice(0, -1)) : path === pattern;

function idTest(ids: readonly string[]): Test {
  const ranges = ids.map((text) => {
    const [from = '', to = from] = text.split('-');
    return [Number(from), Number(to)] as const;
  });
  return ({ id }) => ranges.some(([from, to]) => id >= from && id <= to);
}

const tagTest =
  (tag: string): Test =>
  ({ tags }) =>
    tags.includes(tag);

const itemTest =
  (variable: VariableText) =>
  ({ collection, key }: Item): boolean =>
    collection === variable.name && isSelected(variable, key);
