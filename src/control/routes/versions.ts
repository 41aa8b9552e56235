import { Type } from 'typebox';
import { ApplyResponse } from '../../contract/control-api.ts';
import { ResourcesAtVersion, ResourceVersions, RollbackRequest } from '../../contract/versions.ts';
import type { ControlState } from '../../domain/control-state.ts';
import type { Resource } from '../../domain/resources.ts';
import { checkPolicies } from '../../policy/check-policies.ts';
import { commitPlan } from '../changes/commit-plan.ts';
import type { ControlApp, ControlParts } from '../api/control-parts.ts';
import { planAnswer, planOrThrow } from '../changes/plan-answer.ts';
import { planResources } from '../changes/plan-resources.ts';
import type { Plan } from '../changes/plan-resources.ts';
import { orThrow } from '../api/refused.ts';
import type { ResourceHistory } from '../changes/resource-history.ts';

const readers = ['owner', 'security', 'soc', 'auditor'] as const;
const maxChangesShown = 100;
const Version = Type.Object({
  version: Type.String({ maxLength: 24, description: 'SEQ or SEQ-HASH8, as records and plans show it' }),
});

/** GET /v1/versions, GET /v1/versions/:version, POST /v1/versions/:version/rollback */
export function versionRoutes(app: ControlApp, parts: ControlParts, history: ResourceHistory): void {
  app.get(
    '/v1/versions',
    {
      config: { roles: readers, scope: 'resources:read' },
      schema: {
        summary: 'Who changed which resources, the newest first',
        tags: ['resources'],
        querystring: Type.Object(
          {
            limit: Type.Optional(
              Type.String({ pattern: '^[1-9][0-9]{0,2}$', description: '1 to 999; 50 without' }),
            ),
            before: Type.Optional(
              Type.String({
                pattern: '^[0-9]{1,15}$',
                description: 'only versions before this sequence number',
              }),
            ),
          },
          { additionalProperties: false },
        ),
        response: { 200: ResourceVersions },
      },
    },
    async (request) => {
      const { limit = '50', before } = request.query;
      const versions = await history.list({
        limit: Number(limit),
        ...(before === undefined ? {} : { before: Number(before) }),
      });
      return {
        versions: versions.map(({ version, sequence, at, actor, proposedBy, changes }) => ({
          version,
          sequence,
          at: Math.floor(at / 1000),
          actor,
          ...(proposedBy === undefined ? {} : { proposedBy }),
          changes: changes.slice(0, maxChangesShown),
          changeCount: changes.length,
        })),
      };
    },
  );

  app.get(
    '/v1/versions/:version',
    {
      config: { roles: readers, scope: 'resources:read', refusals: ['not-found'] },
      schema: {
        summary: 'All resources as they were at a version: any head that the ledger had',
        tags: ['resources'],
        params: Version,
        response: { 200: ResourcesAtVersion },
      },
    },
    async (request) => {
      const { at, resources, ...then } = orThrow(await history.at(request.params.version));
      return { ...then, at: Math.floor(at / 1000), resources: [...resources] };
    },
  );

  app.post(
    '/v1/versions/:version/rollback',
    {
      config: {
        roles: ['owner', 'security'],
        scope: 'resources:write',
        refusals: ['not-found', 'person-unknown'],
      },
      schema: {
        summary: 'Put the policies back to those of a version; apps, groups and devices stay as they are',
        tags: ['policies'],
        params: Version,
        body: RollbackRequest,
        response: { 200: ApplyResponse },
      },
    },
    async (request) => {
      const { resources } = orThrow(await history.at(request.params.version));
      const plan = (state: ControlState): Plan => planRollback(state, resources, parts);
      if (request.body.dryRun === true) {
        const { state } = parts.store;
        return planAnswer(false, plan(state), state.head);
      }
      return commitPlan(parts, request, plan, 'policies rolled back');
    },
  );
}

/** The policies of then with all else of now: what does not fit together any more is refused, not mended. */
function planRollback(
  state: ControlState,
  then: readonly Resource[],
  { reservedHosts }: Pick<ControlParts, 'reservedHosts'>,
): Plan {
  const wanted = [
    ...state.networks.values(),
    ...state.groups.values(),
    ...state.apps.values(),
    ...then.filter(({ kind }) => kind === 'Policy'),
  ];
  const plan = planOrThrow(planResources(state, wanted, { prune: true, checkPolicies, reservedHosts }));
  const isPolicy = ({ kind }: { readonly kind: string }): boolean => kind === 'Policy';
  return { ...plan, changes: plan.changes.filter(isPolicy), warnings: plan.warnings.filter(isPolicy) };
}
