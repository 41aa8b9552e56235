import { validatePolicies } from './cedar.ts';
import type { ParsedPolicy } from './parsed-policy.ts';

// Validity is a matter of a policy's text alone, and costs far more than compiling does.
const validated = new WeakMap<ParsedPolicy, string | true>();

/** What the schema holds against policies, by policy; each is validated once for as long as it is in use. */
export function findInvalid(policies: readonly ParsedPolicy[]): ReadonlyMap<ParsedPolicy, string> {
  const unknown = policies.filter((policy) => !validated.has(policy));
  if (unknown.length > 0) {
    const { errors } = validatePolicies(Object.fromEntries(unknown.map(({ id, text }) => [id, text])));
    const general = errors.find(({ id }) => id === '');
    for (const policy of unknown) {
      const error = errors.find(({ id }) => id === policy.id) ?? general;
      validated.set(policy, error === undefined ? true : error.message);
    }
  }
  const invalid = new Map<ParsedPolicy, string>();
  for (const policy of policies) {
    const valid = validated.get(policy);
    if (valid !== true) invalid.set(policy, valid ?? 'not validated');
  }
  return invalid;
}
