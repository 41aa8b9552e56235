import { readCoreRuleSet } from '../../control/core-rule-set.ts';
import type { Check, Finding } from '../finding.ts';
import { ok, someOf, unknown } from '../finding.ts';

/** Whether the rules that applications want their requests inspected by are there. */
export const inspectionCheck: Check = {
  name: 'inspection',
  limitMs: 5000,
  async run({ state, settings, directory }) {
    if ('problem' in state) return unknown('the ledger cannot be read');
    const asking = [...state.apps.values()].filter(({ inspect }) => inspect?.includes('waf') === true);
    if (asking.length === 0) return ok('no application asks for it');
    const { problem } = await readCoreRuleSet(settings, directory);
    if (problem === undefined)
      return ok(`rules are there for ${asking.length} applications that ask for them`);
    const isBlocking = new Set(asking.filter(({ waf }) => waf?.mode === 'block'));
    const found = (level: Finding['level'], names: string[], what: string): Finding[] =>
      names.length === 0 ? [] : [{ level, what: `${what}: ${someOf(names)}`, how: problem }];
    return [
      ...found(
        'error',
        [...isBlocking].map(({ name }) => name),
        'applications that let nothing through uninspected are not reached',
      ),
      ...found(
        'warning',
        asking.filter((app) => !isBlocking.has(app)).map(({ name }) => name),
        'requests pass uninspected to applications that ask for it',
      ),
    ];
  },
};
