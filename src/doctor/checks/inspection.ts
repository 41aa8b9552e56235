import { readCoreRuleSet } from '../../control/workers/core-rule-set.ts';
import type { Check, Finding } from '../finding.ts';
import { ok, someOf, unknown } from '../finding.ts';

/** Whether there is what applications want their requests and contents inspected by. */
export const inspectionCheck: Check = {
  name: 'inspection',
  limitMs: 5000,
  async run({ state, settings, directory }) {
    if ('problem' in state) return unknown('the ledger cannot be read');
    const apps = [...state.apps.values()];
    const unread = apps.filter(({ inspect }) => inspect?.includes('dlp') === true);
    const contents: Finding[] =
      unread.length === 0 || settings.inspection?.dataLoss !== undefined
        ? []
        : [
            {
              level: 'error',
              what: `applications that want their contents looked through are not reached: ${someOf(unread.map(({ name }) => name))}`,
              how: 'add `inspection.dataLoss` to postern.yaml, as docs/data-loss.md has it',
            },
          ];
    const asking = apps.filter(({ inspect }) => inspect?.includes('waf') === true);
    if (asking.length === 0) return contents.length > 0 ? contents : ok('no application asks for rules');
    const { problem } = await readCoreRuleSet(settings, directory);
    if (problem === undefined)
      return [...ok(`rules are there for ${asking.length} applications that ask for them`), ...contents];
    const isBlocking = new Set(asking.filter(({ waf }) => waf?.mode === 'block'));
    const found = (level: Finding['level'], names: string[], what: string): Finding[] =>
      names.length === 0 ? [] : [{ level, what: `${what}: ${someOf(names)}`, how: problem }];
    return [
      ...contents,
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
