import { Type } from 'typebox';
import {
  PendingChangeDetail,
  PendingChanges,
  RejectChangeRequest,
  RejectChangeResponse,
} from '../../contract/changes.ts';
import { ApplyResponse } from '../../contract/control-api.ts';
import type { PlannedChange } from '../../contract/control-api.ts';
import { GatewayError } from '../../contract/gateway-error.ts';
import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import type { ControlState } from '../../domain/control-state.ts';
import { personOf } from '../../domain/person.ts';
import { targetOf } from '../../domain/proposal.ts';
import type { Proposal } from '../../domain/proposal.ts';
import { mapOfKind } from '../../ledger/resource-maps.ts';
import { checkPolicies } from '../../policy/check-policies.ts';
import { administratorsWrite } from '../administration.ts';
import { commitEnforced } from '../changes/commit-enforced.ts';
import { nowSeconds } from '../api/control-parts.ts';
import type { ControlApp, ControlParts } from '../api/control-parts.ts';
import { planAnswer, planOrThrow } from '../changes/plan-answer.ts';
import { planResources } from '../changes/plan-resources.ts';
import type { Plan } from '../changes/plan-resources.ts';
import { etagOf } from '../api/preconditions.ts';
import { actorOf, requireAdmission } from '../api/require-administrator.ts';

const readers = ['owner', 'security', 'soc', 'auditor'] as const;
const deciders = ['owner', 'security'] as const;
const Id = Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) });

/** GET /v1/changes, GET /v1/changes/:id, POST /v1/changes/:id/approve, POST /v1/changes/:id/reject */
export function changeRoutes(app: ControlApp, parts: ControlParts): void {
  const { store } = parts;
  const pending = (state: ControlState, id: string): Proposal | undefined => {
    const proposal = state.proposals.get(id);
    return proposal === undefined || proposal.expiresAt <= nowSeconds(parts) ? undefined : proposal;
  };
  const absent = (id: string): Refusal => refuse('not-found', `no change ${id} waits; it may have expired`);

  app.get(
    '/v1/changes',
    {
      config: { roles: readers },
      schema: {
        summary: 'Changes that wait for a second administrator, the oldest first',
        tags: ['changes'],
        response: { 200: PendingChanges },
      },
    },
    async () => ({
      changes: [...store.state.proposals.values()]
        .filter(({ id }) => pending(store.state, id) !== undefined)
        .map(summaryOf),
    }),
  );

  app.get(
    '/v1/changes/:id',
    {
      config: { roles: readers, refusals: ['not-found'] },
      schema: {
        summary: 'One of them, with the resources that it would put in place',
        tags: ['changes'],
        params: Id,
        response: { 200: PendingChangeDetail },
      },
    },
    async (request) => {
      const { id } = request.params;
      const proposal = pending(store.state, id);
      if (proposal === undefined) throw new GatewayError('not-found', { detail: absent(id).detail ?? id });
      return { ...summaryOf(proposal), resources: putsOf(proposal) };
    },
  );

  app.post(
    '/v1/changes/:id/approve',
    {
      config: {
        roles: deciders,
        refusals: ['not-found', 'own-proposal', 'person-unknown', 'proposal-stale'],
      },
      schema: {
        summary:
          'Make the change, if another person proposed it and nothing that it touches has changed since',
        tags: ['changes'],
        params: Id,
        response: { 200: ApplyResponse },
      },
    },
    async (request) => {
      const { id } = request.params;
      const actor = actorOf(request);
      const { value, enforcedInMs, workersPending } = await commitEnforced(parts, actor, (state) => {
        const proposal = pending(state, id);
        if (proposal === undefined) return absent(id);
        if (proposal.changes.some((change) => targetOf(change).kind === 'Administrator'))
          requireAdmission(request, administratorsWrite);
        const same = checkSecondPerson(state, proposal, actor);
        if (same !== undefined) return same;
        const stale = findStale(state, proposal);
        if (stale.length > 0) return refuse('proposal-stale', stale.join('; '));
        const plan = planProposal(state, proposal, parts);
        return { events: [{ type: 'change-approved', id }, ...plan.events], value: plan };
      });
      request.log.info({ actor, change: id, enforcedInMs, workersPending }, 'change approved');
      return planAnswer(true, value, store.state.head);
    },
  );

  app.post(
    '/v1/changes/:id/reject',
    {
      config: { roles: deciders, refusals: ['not-found'] },
      schema: {
        summary: 'Take a change out of the queue; whoever proposed it may do so too',
        tags: ['changes'],
        params: Id,
        body: RejectChangeRequest,
        response: { 200: RejectChangeResponse },
      },
    },
    async (request) => {
      const { id } = request.params;
      const { reason } = request.body;
      await commitEnforced(parts, actorOf(request), (state) =>
        pending(state, id) === undefined
          ? absent(id)
          : { events: [{ type: 'change-rejected', id, reason }], value: id },
      );
      request.log.info({ actor: actorOf(request), change: id }, 'change rejected');
      return { id };
    },
  );
}

const putsOf = ({ changes }: Proposal) =>
  changes.flatMap((change) => ('resource' in change ? [change.resource] : []));

const summaryOf = ({ id, proposedBy, person, proposedAt, expiresAt, changes }: Proposal) => ({
  id,
  proposedBy,
  ...(person === undefined ? {} : { person }),
  proposedAt,
  expiresAt,
  changes: changes.map((change): PlannedChange => {
    const { kind, name } = targetOf(change);
    const action = !('resource' in change) ? 'delete' : change.was === undefined ? 'create' : 'update';
    return { action, kind, name };
  }),
});

/** Two keys, or a key and a sign-in, may be one person's: only two known persons are two. */
function checkSecondPerson(state: ControlState, proposal: Proposal, actor: string): Refusal | undefined {
  const { proposedBy, person: proposer } = proposal;
  const approver = personOf(state.apiKeys, actor);
  if (proposer === undefined)
    return refuse(
      'person-unknown',
      `nobody knows which person is behind ${proposedBy}, who proposed it: let a person propose it anew`,
    );
  if (approver === undefined) return refuse('person-unknown', `nobody knows which person is behind ${actor}`);
  if (approver !== proposer) return undefined;
  return refuse(
    'own-proposal',
    `${proposer} proposed it${proposedBy === actor ? '' : ` (${proposedBy}), and is behind ${actor} too`}`,
  );
}

/** What is not any more as it was when the change was proposed: who approves must have seen what is replaced. */
function findStale(state: ControlState, { changes }: Proposal): string[] {
  return changes.flatMap((change) => {
    const { kind, name } = targetOf(change);
    const resource = mapOfKind(state, kind).get(name);
    const is = resource === undefined ? undefined : etagOf(resource);
    if (is === change.was) return [];
    const what = is === undefined ? 'is gone' : change.was === undefined ? 'exists by now' : 'has changed';
    return [`${kind} ${name} ${what}`];
  });
}

/** Checked against all that there is now: apps and groups that it speaks of may have gone. */
function planProposal(
  state: ControlState,
  proposal: Proposal,
  { reservedHosts }: Pick<ControlParts, 'reservedHosts'>,
): Plan {
  const deletes = proposal.changes.flatMap((change) => ('resource' in change ? [] : [change]));
  const options = { prune: false, deletes, checkPolicies, reservedHosts };
  return planOrThrow(planResources(state, putsOf(proposal), options));
}
