import { exclusionFrom, lanes } from './lanes.ts';
import { cannotFail, createImplies, entitiesRequired } from './requirements.ts';
import type { EntityName, Requirement } from './requirements.ts';

/** One Cedar policy, as far as comparing it with others needs it. */
export interface Rule {
  /** Of its Policy resource. */
  readonly name: string;
  readonly mode: 'enforce' | 'shadow';
  readonly effect: 'permit' | 'forbid';
  readonly requirements: readonly Requirement[];
  /** What it says of whom it is for; see lanes.ts. */
  readonly mentionsState: boolean;
  readonly namesMachines: boolean;
}

/** A rule that can be taken away without changing any decision, and why, in words. */
export interface Pointless<Of extends Rule> {
  readonly rule: Of;
  readonly message: string;
}

/** Whether a rule is asked about everyone whom another is asked about. */
const hasSayWherever = (rule: Rule, other: Rule): boolean =>
  lanes.every((lane) => exclusionFrom(lane, rule) === undefined || exclusionFrom(lane, other) !== undefined);

/** Rules by what their principal and their resource must be in, so that few are compared with each. */
type Shelves<Of> = Map<string, { readonly rule: Of; readonly place: number }[]>;

const anything = '';
const spell = ({ type, id }: EntityName): string => `${type}::${id}`;
const shelfOf = (principal: string, resource: string): string => JSON.stringify([principal, resource]);

// A policy is read once and looked at again with every change of any other.
const ownShelves = new WeakMap<readonly Requirement[], string>();

function ownShelf(requirements: readonly Requirement[]): string {
  let shelf = ownShelves.get(requirements);
  if (shelf === undefined) {
    const [principal] = entitiesRequired(requirements, 'principal').map(spell);
    const [resource] = entitiesRequired(requirements, 'resource').map(spell);
    shelf = shelfOf(principal ?? anything, resource ?? anything);
    ownShelves.set(requirements, shelf);
  }
  return shelf;
}

/**
 * Rules that another makes pointless, in their order: all that such a rule permits is permitted or forbidden by another
 * whatever is asked, or all that it forbids is forbidden by another. It compares what policies ask for, part by part, and
 * names only what is certain: silence proves nothing. `networkOf` tells the network of each application; `isAsked` which
 * rules are wanted to be looked at.
 */
export function findPointless<Of extends Rule>(
  rules: readonly Of[],
  networkOf: ReadonlyMap<string, string>,
  isAsked: (rule: Of) => boolean = () => true,
): Pointless<Of>[] {
  const shelves: Shelves<Of> = new Map();
  for (const [place, rule] of rules.entries()) {
    const shelf = ownShelf(rule.requirements);
    const kept = shelves.get(shelf);
    if (kept === undefined) shelves.set(shelf, [{ rule, place }]);
    else kept.push({ rule, place });
  }

  /** Rules that may cover one: each that asks for nothing in particular, or for what this one asks for too. */
  const candidatesOf = ({ requirements }: Of): { rule: Of; place: number }[] => {
    const principals = entitiesRequired(requirements, 'principal').map(spell);
    const resources = entitiesRequired(requirements, 'resource').flatMap((entity) => {
      const network = entity.type === 'App' ? networkOf.get(entity.id) : undefined;
      return network === undefined
        ? [spell(entity)]
        : [spell(entity), spell({ type: 'Network', id: network })];
    });
    const keys = new Set(
      [anything, ...principals].flatMap((principal) =>
        [anything, ...resources].map((resource) => shelfOf(principal, resource)),
      ),
    );
    return [...keys].flatMap((key) => shelves.get(key) ?? []).sort((a, b) => a.place - b.place);
  };

  return rules.flatMap((rule, place) => {
    if (!isAsked(rule)) return [];
    const implies = createImplies(rule.requirements, networkOf);
    // Where a forbid cannot be evaluated the gateway denies: one that can fail does more than it says.
    const isPlain =
      rule.effect === 'permit' || rule.requirements.every(({ expression }) => cannotFail(expression));
    for (const { rule: other, place: otherPlace } of candidatesOf(rule)) {
      if (otherPlace === place || (other.mode === 'shadow' && rule.mode === 'enforce')) continue;
      if (other.effect === 'permit' && rule.effect === 'forbid') continue;
      if (other.effect === rule.effect && !isPlain) continue;
      if (!hasSayWherever(other, rule)) continue;
      if (!other.requirements.every(({ expression, spelled }) => implies(expression, spelled))) continue;
      if (
        other.effect === rule.effect &&
        other.mode === rule.mode &&
        otherPlace > place &&
        isMutual(rule, other)
      )
        continue;
      return [{ rule, message: describe(rule, other) }];
    }
    return [];
  });

  /** Two that say the same: only the later of them is pointless. */
  function isMutual(one: Of, other: Of): boolean {
    const implies = createImplies(other.requirements, networkOf);
    return one.requirements.every(({ expression, spelled }) => implies(expression, spelled));
  }

  function describe(rule: Of, other: Of): string {
    const name = other.name === rule.name ? 'another policy of this resource' : `policy ${other.name}`;
    if (other.effect !== rule.effect) return `never takes effect: ${name} forbids all that it permits`;
    if (isMutual(rule, other)) return `changes nothing: ${name} says the same`;
    return `changes nothing: ${name} ${rule.effect}s all that it ${rule.effect}s`;
  }
}
