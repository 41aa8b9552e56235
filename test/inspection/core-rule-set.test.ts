import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readCoreRuleSet } from '../../src/control/workers/core-rule-set.ts';
import { inspectRequest } from '../../src/inspection/inspect-request.ts';
import { buildRuleSet } from '../../src/inspection/rule-set.ts';
import type { InspectionProfile } from '../../src/inspection/request.ts';
import { labSettings } from '../lab/gateway.ts';
import { attacks } from './corpus/attacks.ts';
import { inspected } from './corpus/corpus-request.ts';
import type { CorpusRequest } from './corpus/corpus-request.ts';
import { ordinary, webdav } from './corpus/ordinary.ts';

const folder = '/usr/share/modsecurity-crs/rules';
const inspection = { coreRuleSet: folder, maxBodyBytes: 131_072, maxHeldBytes: 1_048_576, timeoutMs: 2000 };

describe.skipIf(!existsSync(folder))('the Core Rule Set (apt-get install modsecurity-crs)', async () => {
  const { files = {} } = await readCoreRuleSet({ ...labSettings(), inspection }, '/');
  const ruleSet = buildRuleSet(files);
  const scoreOf = (request: CorpusRequest, profile: Partial<InspectionProfile> = {}): number =>
    inspectRequest(ruleSet, inspected(request), { paranoia: 1, exclusions: [], ...profile }).score;
  const share = (requests: readonly CorpusRequest[], paranoia: number): number =>
    requests.filter((request) => scoreOf(request, { paranoia }) >= 5).length / requests.length;
  const all = (corpus: Readonly<Record<string, readonly CorpusRequest[]>>): CorpusRequest[] =>
    Object.values(corpus).flat();

  it('is evaluated whole, but for what is named', () => {
    expect(ruleSet.rules.length).toBeGreaterThan(480);
    // A pattern with a back reference, lists on the Internet, a map of the world, and samples by digest.
    expect(ruleSet.notEvaluated.map(({ id }) => id).toSorted((one, other) => one - other)).toEqual([
      901318, 901410, 910100, 910140, 942130,
    ]);
  });

  it.each([
    [1, 0.9, 0.02],
    [2, 0.93, 0.12],
    [4, 0.96, 0.75],
  ])(
    'at level %i finds %f of the attacks and takes at most %f of ordinary requests for one',
    (paranoia, hits, alarms) => {
      expect(share(all(attacks), paranoia)).toBeGreaterThanOrEqual(hits);
      expect(share(all(ordinary), paranoia)).toBeLessThanOrEqual(alarms);
    },
  );

  it.each(Object.entries(attacks))('finds most attacks of kind %s', (_, requests) => {
    expect(share(requests, 1)).toBeGreaterThanOrEqual(0.6);
  });

  it('lets WebDAV through where the application says that it speaks it', () => {
    const exclusions = [{ rules: ['911100', '920420'] }];
    expect(webdav.map((request) => scoreOf(request) >= 5)).toEqual(webdav.map(() => true).with(3, true));
    expect(webdav.map((request) => scoreOf(request, { exclusions }))).toEqual(webdav.map(() => 0));
  });
});

describe('the rule files', () => {
  it('are read from the folder that the settings name, or it is said why not', async () => {
    const settings = labSettings();
    expect(await readCoreRuleSet(settings, '/')).toEqual({
      problem: 'postern.yaml has no section inspection',
    });
    for (const coreRuleSet of ['/nowhere/rules', import.meta.dirname])
      expect(await readCoreRuleSet({ ...settings, inspection: { ...inspection, coreRuleSet } }, '/')).toEqual(
        {
          problem: expect.stringMatching(/^no rules in .*: install the package modsecurity-crs/),
        },
      );
  });
});
