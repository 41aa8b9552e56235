import { randomBytes } from 'node:crypto';
import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import type { ControlState } from '../../domain/control-state.ts';
import type { ResourceEvent } from '../../domain/events.ts';
import { personOf } from '../../domain/person.ts';
import { isGuardedKind } from '../../domain/proposal.ts';
import type { ProposedChange } from '../../domain/proposal.ts';
import type { ResourceKind } from '../../domain/resources.ts';
import { mapOfKind } from '../../ledger/resource-maps.ts';
import type { Change } from '../../ledger/store.ts';
import { canonicalJson } from '../api/canonical-json.ts';
import { commitEnforced } from './commit-enforced.ts';
import type { Enforced } from './commit-enforced.ts';
import { nowSeconds } from '../api/control-parts.ts';
import type { ControlParts } from '../api/control-parts.ts';
import { etagOf } from '../api/preconditions.ts';

/** Where a change waits. */
export interface Waiting {
  readonly id: string;
  /** Epoch seconds. */
  readonly expiresAt: number;
}

/** Of a change of resources: what became of it. `waiting` where it was not made, and a second administrator is needed. */
export interface Committed<Value> {
  readonly value: Value;
  readonly waiting?: Waiting;
}

const proposalLifetimeSeconds = 7 * 86_400;
/** They are part of the state of every gateway. */
const maxProposals = 100;

interface ResourceEdit<Value> {
  readonly events: readonly ResourceEvent[];
  readonly value: Value;
}

/**
 * Makes a change of resources, or lets it wait for a second administrator: where the settings ask for two, and it
 * touches who may do what. Such a change waits as a whole. @throws GatewayError for a refusal
 */
export async function commitChange<Value>(
  parts: ControlParts,
  actor: string,
  decide: (state: ControlState) => ResourceEdit<Value> | Refusal,
): Promise<Enforced<Committed<Value>>> {
  const id = `c-${randomBytes(9).toString('base64url')}`;
  return commitEnforced(parts, actor, (state) => {
    const change = decide(state);
    if ('code' in change) return change;
    const { events, value } = change;
    if (parts.approvals < 2 || !events.some((event) => isGuardedKind(kindOf(event))))
      return { events, value: { value } };
    return propose(state, { id, actor, now: nowSeconds(parts) }, events, value);
  });
}

function propose<Value>(
  state: ControlState,
  { id, actor, now }: { readonly id: string; readonly actor: string; readonly now: number },
  events: readonly ResourceEvent[],
  value: Value,
): Change<Committed<Value>> | Refusal {
  if (personOf(state.apiKeys, actor) === undefined)
    return refuse(
      'person-unknown',
      `nobody knows which person is behind ${actor}, so nobody could be the second one`,
    );
  const changes = events.map((event) => proposedChange(state, event));
  const pending = [...state.proposals.values()].filter(({ expiresAt }) => expiresAt > now);
  // Who asks twice waits once.
  const same = pending.find(
    (each) => each.proposedBy === actor && canonicalJson(each.changes) === canonicalJson(changes),
  );
  if (same !== undefined)
    return { events: [], value: { value, waiting: { id: same.id, expiresAt: same.expiresAt } } };
  if (pending.length >= maxProposals)
    return refuse('conflict', `${maxProposals} changes wait already: approve or reject some of them`);
  const expiresAt = now + proposalLifetimeSeconds;
  return {
    events: [{ type: 'change-proposed', id, expiresAt, changes }],
    value: { value, waiting: { id, expiresAt } },
  };
}

function proposedChange(state: ControlState, event: ResourceEvent): ProposedChange {
  const { kind, name } = event.type === 'resource-put' ? event.resource : event;
  const before = mapOfKind(state, kind).get(name);
  const was = before === undefined ? {} : { was: etagOf(before) };
  return event.type === 'resource-put' ? { resource: event.resource, ...was } : { kind, name, ...was };
}

const kindOf = (event: ResourceEvent): ResourceKind =>
  event.type === 'resource-put' ? event.resource.kind : event.kind;
