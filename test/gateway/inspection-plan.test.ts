import { expect, test } from 'vitest';
import type { App } from '../../src/domain/resources.ts';
import { createDataLossInspector } from '../../src/gateway/data-loss/data-loss-inspector.ts';
import { createInspectionPlans } from '../../src/gateway/content/inspection-plan.ts';
import { app } from '../lab/resources.ts';

const plans = () => createInspectionPlans([createDataLossInspector(undefined, () => undefined)]);
const planned = (more: Partial<App>) => {
  const plan = plans()(app(more));
  return [plan?.refusal?.detail, plan?.hasRules, plan?.content.map(({ name }) => name)];
};

test('is what an application asks for and the gateway has, and nothing for one that asks for nothing', () => {
  expect(planned({ inspect: ['waf', 'dlp'] })).toEqual([undefined, true, ['dlp']]);
  expect(planned({ inspect: ['dlp'] })).toEqual([undefined, false, ['dlp']]);
  expect(plans()(app())).toBeUndefined();
});

test('refuses what the gateway does not have, and all of it for an application that does not speak HTTP', () => {
  expect(planned({ inspect: ['waf', 'malware'] })[0]).toBe('malware');
  expect(planned({ inspect: ['waf', 'dlp'], protocol: 'tcp' })[0]).toBe('waf, dlp');
});

test('is worked out once for a version of an application, and anew for the next', () => {
  const planOf = plans();
  const before = app({ inspect: ['waf'] });
  const after = app({ inspect: ['waf', 'malware'] });
  expect(planOf(before)).toBe(planOf(before));
  expect(planOf(after)?.refusal?.code).toBe('inspection-unavailable');
  expect(planOf(before)?.refusal).toBeUndefined();
});
