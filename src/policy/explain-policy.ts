import { postureCriteria } from '../domain/posture.ts';
import type { PostureCriterion } from '../domain/posture.ts';
import {
  compilePolicySet,
  conjuncts,
  evaluateExpression,
  parsePolicyText,
  principalTarget,
  renderExpression,
} from './cedar.ts';
import type { CedarPolicy, CedarRequest } from './cedar.ts';
import { contextLeaves } from './context-leaves.ts';
import type { PolicyExplanation } from './explanation.ts';
import { cedarRequest } from './judge.ts';
import { exclusionFrom } from './lanes.ts';
import type { ParsedPolicy } from './parsed-policy.ts';
import { missingAgeSeconds } from './policy-inputs.ts';
import type { PolicyInputs } from './policy-inputs.ts';
import { usageOfExpression } from './policy-usage.ts';
import type { PolicySlice } from './slices.ts';

/** The sentence on one attribute: what was seen, and what that means where it is not plain. */
function describeLeaf(path: string, inputs: PolicyInputs): string {
  const attribute = path.replace(/^posture\./, '');
  const check = postureCriteria.includes(attribute as PostureCriterion)
    ? (inputs.posture?.checks[attribute as PostureCriterion] ?? 'unknown')
    : undefined;
  if (check === 'unknown') return `context.${path} is unknown, which is never true`;
  const value = contextLeaves[path]?.value(inputs);
  if (path.startsWith('signIn.') && inputs.signIn.at === undefined) return 'the user never signed in';
  if (value === missingAgeSeconds) return 'no posture was reported';
  const extension =
    typeof value === 'object' && value !== null && '__extn' in value ? value.__extn : undefined;
  const shown =
    typeof extension === 'object' && extension !== null && 'arg' in extension ? extension.arg : value;
  return `context.${path} is ${JSON.stringify(shown)}`;
}

function describeScope(policy: CedarPolicy, inputs: PolicyInputs): string | undefined {
  const target = principalTarget(policy);
  if (target === undefined) return undefined;
  const { type, id } = target;
  if (type === 'Group' && policy.principal.op !== '==') {
    return inputs.groups.includes(id) ? undefined : `${inputs.user} is not in the group ${id}`;
  }
  const isPrincipal =
    inputs.device.role === 'machine'
      ? type === 'Device' && id === inputs.device.id
      : type === 'User' && id === inputs.user;
  return isPrincipal ? undefined : `it is not for ${inputs.user}`;
}

function describeConditions(
  policy: CedarPolicy,
  request: CedarRequest,
  inputs: PolicyInputs,
): string | undefined {
  for (const { kind, body } of policy.conditions) {
    if (kind === 'unless') {
      if (evaluateExpression(body, request).holds) return `its exception \`${renderExpression(body)}\` holds`;
      continue;
    }
    for (const part of conjuncts(body)) {
      const { holds, error } = evaluateExpression(part, request);
      if (holds) continue;
      const seen = [...usageOfExpression(part).leaves].map((path) => describeLeaf(path, inputs));
      const why = error ?? [...new Set(seen)].join(', ');
      return `\`${renderExpression(part)}\` does not hold${why === '' ? '' : `: ${why}`}`;
    }
  }
  return undefined;
}

/** Why a policy holds. Of a forbid the values as well: they are what has to change. */
function describeMatch(policy: CedarPolicy, inputs: PolicyInputs): string {
  const { principal, effect, conditions } = policy;
  const everyone = principal.op === 'All' || (principal.op === 'is' && principal.in === undefined);
  const who = everyone ? 'it is for everyone' : `${inputs.user} is among those that it is for`;
  if (conditions.length === 0) return `${who}, without conditions`;
  const texts = conditions.map(({ kind, body }) => `${kind} \`${renderExpression(body)}\``);
  if (effect === 'permit') return `${who}, ${texts.join(', ')}`;
  const leaves = new Set(conditions.flatMap(({ body }) => [...usageOfExpression(body).leaves]));
  const seen = [...new Set([...leaves].map((path) => describeLeaf(path, inputs)))];
  return `${who}, ${texts.join(', ')}${seen.length === 0 ? '' : `: ${seen.join(', ')}`}`;
}

/** Evaluates one policy alone and says why it holds or does not. Slow; `shadow` ones are looked at the same way. */
export function explainPolicy(
  policy: ParsedPolicy,
  mode: 'enforce' | 'shadow',
  slice: Pick<PolicySlice, 'app' | 'network' | 'lane'>,
  inputs: PolicyInputs,
): PolicyExplanation {
  const { name, effect } = policy;
  const request = cedarRequest(
    { app: slice.app, network: slice.network, leaves: [...policy.usage.leaves], groups: policy.usage.groups },
    inputs,
  );
  const which = policy.id === name ? '' : `(${policy.id}) `;
  const explained = (satisfied: boolean, text: string): PolicyExplanation => ({
    name,
    effect,
    satisfied,
    mode,
    explanation: `${which}${text}${mode === 'shadow' ? ' In shadow mode: not enforced.' : ''}`,
  });
  const exclusion = exclusionFrom(slice.lane, policy);
  if (exclusion !== undefined) return explained(false, `Does not apply: ${exclusion}.`);
  const set = compilePolicySet({ [policy.id]: policy.text });
  if ('problems' in set) {
    return explained(false, `Cannot be compiled: ${set.problems.map(({ message }) => message).join('; ')}.`);
  }
  try {
    const { determining, errors } = set.authorize(request);
    const error = errors[0]?.message;
    if (error !== undefined) {
      const consequence = effect === 'forbid' ? ' A forbid that cannot be evaluated denies.' : '';
      return explained(false, `Could not be evaluated: ${error}.${consequence}`);
    }
    const parsed = parsePolicyText(policy.text);
    const json = parsed.ok ? parsed.policies[0]?.json : undefined;
    if (determining.length > 0) {
      const verb = effect === 'permit' ? 'Permits' : 'Forbids';
      return explained(
        true,
        `${verb} this: ${json === undefined ? 'it holds' : describeMatch(json, inputs)}.`,
      );
    }
    const why =
      json === undefined
        ? undefined
        : (describeScope(json, inputs) ?? describeConditions(json, request, inputs));
    return explained(false, `Does not apply: ${why ?? 'its scope does not match'}.`);
  } catch (error) {
    return explained(
      false,
      `Could not be evaluated: ${error instanceof Error ? error.message : String(error)}.`,
    );
  } finally {
    set.release();
  }
}
