import type { App, Policy } from '../domain/resources.ts';
import { parsePolicy } from './parsed-policy.ts';
import type { ParsedPolicy, ParsedResource } from './parsed-policy.ts';

/** Which policies could apply to an application, found without looking at the others. */
export interface PolicyIndex {
  policiesFor(app: Pick<App, 'name' | 'network'>): SlicePolicies;
}

/** What could apply to one application. */
export interface SlicePolicies {
  /** Policies whose scope admits the application, by id. Shadow policies are never among them. */
  readonly enforced: readonly ParsedPolicy[];
  readonly shadow: readonly ParsedPolicy[];
  /** Enforced resources that cannot be read. Any of them might forbid any application, so all are denied. */
  readonly unreadable: readonly { readonly name: string; readonly problem: string }[];
  /** Shadow resources that cannot be read, by name: nobody is denied for them. */
  readonly unreadableShadow: readonly string[];
}

/** Policies by what their scope names. */
interface Shelf {
  readonly any: ParsedPolicy[];
  readonly byApp: Map<string, ParsedPolicy[]>;
  readonly byNetwork: Map<string, ParsedPolicy[]>;
}

const emptyShelf = (): Shelf => ({ any: [], byApp: new Map(), byNetwork: new Map() });

function shelve(shelf: Shelf, policy: ParsedPolicy): void {
  const { scope } = policy;
  if (scope.kind === 'none') return;
  if (scope.kind === 'any') {
    shelf.any.push(policy);
    return;
  }
  const lists = scope.kind === 'app' ? shelf.byApp : shelf.byNetwork;
  const list = lists.get(scope.name);
  if (list === undefined) lists.set(scope.name, [policy]);
  else list.push(policy);
}

const lookUp = (shelf: Shelf, { name, network }: Pick<App, 'name' | 'network'>): readonly ParsedPolicy[] =>
  [...shelf.any, ...(shelf.byApp.get(name) ?? []), ...(shelf.byNetwork.get(network) ?? [])].sort((a, b) =>
    a.id < b.id ? -1 : 1,
  );

/** Sorts understood resources by what they can apply to. */
export function buildPolicyIndex(resources: Iterable<ParsedResource>): PolicyIndex {
  const shelves = { enforce: emptyShelf(), shadow: emptyShelf() };
  const unreadable: { name: string; problem: string }[] = [];
  const unreadableShadow: string[] = [];
  for (const { name, mode, policies, problem } of resources) {
    if (problem !== undefined) {
      if (mode === 'enforce') unreadable.push({ name, problem });
      else unreadableShadow.push(name);
    }
    for (const policy of policies) shelve(shelves[mode], policy);
  }
  return {
    policiesFor: (app) => ({
      enforced: lookUp(shelves.enforce, app),
      shadow: lookUp(shelves.shadow, app),
      unreadable,
      unreadableShadow,
    }),
  };
}

/**
 * Parses policies, remembering those whose text did not change since the last time: the ledger moves often, policies
 * seldom. `unchanged` says that the whole set is the one before.
 */
export function createPolicyReader(): (policies: Iterable<Policy>) => {
  readonly unchanged: boolean;
  readonly index: PolicyIndex;
} {
  let known = new Map<string, { readonly policy: Policy; readonly parsed: ParsedResource }>();
  let index = buildPolicyIndex([]);
  return (policies) => {
    const next: typeof known = new Map();
    let unchanged = true;
    for (const policy of policies) {
      const before = known.get(policy.name);
      if (
        before !== undefined &&
        before.policy.cedar === policy.cedar &&
        before.policy.mode === policy.mode
      ) {
        next.set(policy.name, before);
      } else {
        unchanged = false;
        next.set(policy.name, { policy, parsed: parsePolicy(policy) });
      }
    }
    unchanged &&= next.size === known.size;
    if (!unchanged) index = buildPolicyIndex([...next.values()].map(({ parsed }) => parsed));
    known = next;
    return { unchanged, index };
  };
}
