import type { App, Policy } from '../domain/resources.ts';
import { findPointless } from './pointless.ts';
import { createPolicyTextReader } from './policy-readings.ts';
import type { Finding, PolicyReading } from './policy-readings.ts';

export interface PolicyProblem extends Finding {
  /** Name of the Policy resource. Errors keep it from being applied; warnings are shown. */
  readonly policy: string;
}

/** Names that policies may refer to: what will exist once the resources at hand are applied. */
export interface PolicyContext {
  readonly apps: Iterable<Pick<App, 'name' | 'network'>>;
  readonly groups: Iterable<string>;
  readonly networks: Iterable<string>;
}

// What a text says by itself never changes, and the server checks all policies at each change of one.
const readPolicyTexts = createPolicyTextReader();

/**
 * Syntax, schema, templates, names that nothing bears (errors); policies that can never apply as far as Cedar's
 * validator can tell, and those that another of them makes pointless (warnings). In the order of the policies. `asked`
 * names the policies whose pointlessness is of interest, where that is not all.
 */
export function checkPolicies(
  policies: readonly Policy[],
  context: PolicyContext,
  asked?: ReadonlySet<string>,
): PolicyProblem[] {
  const apps = [...context.apps];
  const known = {
    App: new Set(apps.map(({ name }) => name)),
    Group: new Set(context.groups),
    Network: new Set(context.networks),
  };
  const read = readPolicyTexts(policies.map(({ cedar }) => cedar));
  const readings = policies.map((policy) => {
    const reading = read(policy.cedar);
    return { policy, reading, unknown: unknownNames(reading, known) };
  });
  const rules = readings.flatMap(({ policy: { name, mode = 'enforce' }, reading, unknown }) =>
    unknown.length > 0 ? [] : reading.rules.map((rule) => ({ ...rule, name, mode })),
  );
  const networkOf = new Map(apps.map(({ name, network }) => [name, network]));
  const pointless = Map.groupBy(
    findPointless(rules, networkOf, ({ name }) => asked?.has(name) ?? true),
    ({ rule }) => rule.name,
  );
  return readings.flatMap(({ policy: { name }, reading: { findings }, unknown }) =>
    [
      ...findings.filter(({ severity }) => severity === 'error'),
      ...unknown,
      ...findings.filter(({ severity }) => severity === 'warning'),
      ...(pointless.get(name) ?? []).map(
        ({ rule: { line }, message }): Finding => ({ severity: 'warning', message, line }),
      ),
    ].map((finding) => ({ policy: name, ...finding })),
  );
}

function unknownNames(
  { entities }: PolicyReading,
  known: Readonly<Record<string, ReadonlySet<string>>>,
): Finding[] {
  return entities
    .filter(({ type, id }) => Object.hasOwn(known, type) && known[type]?.has(id) !== true)
    .map(({ type, id, line }) => ({
      severity: 'error',
      message: `there is no ${type}::${JSON.stringify(id)}`,
      ...(line === undefined ? {} : { line }),
    }));
}
