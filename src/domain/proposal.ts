import type { UserName } from './ids.ts';
import type { Resource, ResourceKind } from './resources.ts';

/** One part of a change that waits. `was` is the entity tag of what it replaces; absent where there was nothing. */
export type ProposedChange =
  | { readonly resource: Resource; readonly was?: string }
  | { readonly kind: ResourceKind; readonly name: string; readonly was?: string };

/** A change of resources that waits for a second administrator. */
export interface Proposal {
  readonly id: string;
  /** As the ledger names who did it. */
  readonly proposedBy: string;
  /** The person behind that, where one is known: nobody else can be told apart from them otherwise. */
  readonly person?: UserName;
  /** Epoch seconds. */
  readonly proposedAt: number;
  /** Epoch seconds; nobody can approve it from then on. */
  readonly expiresAt: number;
  readonly changes: readonly ProposedChange[];
}

/** Kinds whose change waits: who may do what, who says so, and what opens laptops. */
const guardedKinds: ReadonlySet<ResourceKind> = new Set(['Policy', 'Group', 'Administrator', 'Firewall']);

export const isGuardedKind = (kind: ResourceKind): boolean => guardedKinds.has(kind);

export const targetOf = (change: ProposedChange): { readonly kind: ResourceKind; readonly name: string } =>
  'resource' in change ? change.resource : change;
