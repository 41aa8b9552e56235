import { ApplyRequest, ApplyResponse } from '../../contract/control-api.ts';
import { GatewayError } from '../../contract/gateway-error.ts';
import type { ControlState } from '../../domain/control-state.ts';
import { checkResourceShape } from '../../domain/resource-shape.ts';
import { formatPath } from '../../domain/check-shape.ts';
import type { Resource } from '../../domain/resources.ts';
import { checkPolicies } from '../../policy/check-policies.ts';
import { administratorsWrite } from '../administration.ts';
import { commitPlan } from '../changes/commit-plan.ts';
import type { ControlApp, ControlParts } from '../api/control-parts.ts';
import { planAnswer, planOrThrow } from '../changes/plan-answer.ts';
import { planResources } from '../changes/plan-resources.ts';
import type { Plan } from '../changes/plan-resources.ts';
import { preconditionOf, resourcesEtag } from '../api/preconditions.ts';
import { orThrow } from '../api/refused.ts';
import { requireAdmission } from '../api/require-administrator.ts';

const maxApplyBytes = 16 * 1_048_576;

/** All resources in the shape of their kinds. @throws GatewayError with everything that is wrong with any of them. */
function parseResources(values: readonly { readonly kind: string; readonly name: string }[]): Resource[] {
  const resources: Resource[] = [];
  const problems: string[] = [];
  for (const value of values) {
    const checked = checkResourceShape(value);
    if (checked.problems === undefined) resources.push(checked.resource);
    else
      for (const { path, message } of checked.problems)
        problems.push(
          `${value.kind} ${value.name}: ${path.length === 0 ? '' : `${formatPath(path)}: `}${message}`,
        );
  }
  if (problems.length > 0) throw new GatewayError('invalid-input', { problems });
  return resources;
}

/** POST /v1/apply: plans against the newest state, then does all of it as one unit, or nothing. */
export function applyRoute(app: ControlApp, parts: ControlParts): void {
  app.post(
    '/v1/apply',
    {
      bodyLimit: maxApplyBytes,
      config: {
        roles: ['owner', 'security'],
        scope: 'resources:write',
        honorsIfMatch: true,
        refusals: ['person-unknown'],
      },
      schema: {
        summary: 'Apply resources: all of them or none',
        tags: ['resources'],
        body: ApplyRequest,
        response: { 200: ApplyResponse },
      },
    },
    async (request, reply) => {
      const precondition = preconditionOf(request);
      const { prune = false, dryRun = false } = request.body;
      const resources = parseResources(request.body.resources);
      const { reservedHosts } = parts;
      const plan = (state: ControlState): Plan => {
        orThrow(precondition(() => resourcesEtag(state)));
        const planned = planOrThrow(planResources(state, resources, { prune, checkPolicies, reservedHosts }));
        if (planned.changes.some(({ action, kind }) => kind === 'Administrator' && action !== 'unchanged'))
          requireAdmission(request, administratorsWrite);
        return planned;
      };
      const { store } = parts;
      const answer = dryRun
        ? planAnswer(false, plan(store.state), store.state.head)
        : await commitPlan(parts, request, plan, 'resources applied');
      reply.header('etag', resourcesEtag(store.state));
      return answer;
    },
  );
}
