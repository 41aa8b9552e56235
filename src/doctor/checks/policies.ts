import { buildPolicyIndex } from '../../policy/policy-index.ts';
import { parsePolicy } from '../../policy/parsed-policy.ts';
import { createPolicyTextReader } from '../../policy/policy-readings.ts';
import type { Policy } from '../../domain/resources.ts';
import type { Check, Finding } from '../finding.ts';
import { ok, someOf, unknown } from '../finding.ts';

/** Whether anyone can be let in anywhere: nothing is allowed that no policy permits. */
export const policiesCheck: Check = {
  name: 'policies',
  limitMs: 10_000,
  async run({ state }) {
    if ('problem' in state) return unknown('the ledger cannot be read');
    if (state.apps.size === 0)
      return [
        {
          level: 'hint',
          what: 'there is no application yet',
          how: 'postern apply -f FILE: docs/first-application.md',
        },
      ];
    const parsed = [...state.policies.values()].map(parsePolicy);
    const permits = parsed
      .filter(({ mode }) => mode === 'enforce')
      .flatMap(({ policies }) => policies.filter(({ effect }) => effect === 'permit'));
    if (permits.length === 0)
      return [
        {
          level: 'error',
          what: 'the policies allow nothing: none that is enforced permits anything, so every flow is refused',
          how: 'write a permit, and try it with postern policy check and postern why',
        },
      ];
    if (!canPermit([...state.policies.values()]))
      return [
        {
          level: 'error',
          what: 'the policies allow nothing: none of the permits that are enforced can ever apply',
          how: 'postern policy check FILE says why',
        },
      ];
    const found: Finding[] = [];
    const index = buildPolicyIndex(parsed);
    const closed = [...state.apps.values()]
      .filter((app) => !index.policiesFor(app).enforced.some(({ effect }) => effect === 'permit'))
      .map(({ name }) => name);
    if (closed.length > 0)
      found.push({
        level: 'warning',
        what: `no policy ever permits ${someOf(closed)}`,
        how: 'write a policy for it, or delete the app',
      });
    const unreadable = parsed.filter(({ mode, problem }) => mode === 'enforce' && problem !== undefined);
    if (unreadable.length > 0)
      found.push({
        level: 'error',
        what: `policies that cannot be read refuse every flow: ${someOf(unreadable.map(({ name }) => name))}`,
        how: 'postern policy check says why',
      });
    const groups = [...state.groups.values()];
    // Members by claim are known at sign-in only.
    if (groups.length > 0 && groups.every(({ members }) => Array.isArray(members))) {
      const members = new Set(groups.flatMap(({ members }) => (Array.isArray(members) ? members : [])));
      const users = new Set(
        [...state.devices.values()]
          .filter(({ state: of }) => of === 'active' || of === 'enrolled')
          .map(({ user }) => user),
      );
      const outside = [...users].filter((user) => user !== undefined && !members.has(user)).map(String);
      if (outside.length > 0)
        found.push({
          level: 'hint',
          what: `in no group: ${someOf(outside)}`,
          how: 'add them to the groups that policies name',
        });
    }
    return found.length > 0 ? found : ok(`${permits.length} permits; every app has one`);
  },
};

const readAtOnce = 100;

/** Whether one of them permits something that can be. Mostly one of the first does, so that not all are read. */
function canPermit(policies: readonly Policy[]): boolean {
  const texts = policies.filter(({ mode }) => mode !== 'shadow').map(({ cedar }) => cedar);
  for (let start = 0; start < texts.length; start += readAtOnce) {
    const some = texts.slice(start, start + readAtOnce);
    const readingOf = createPolicyTextReader()(some);
    if (some.some((text) => readingOf(text).rules.some(({ effect }) => effect === 'permit'))) return true;
  }
  return false;
}
