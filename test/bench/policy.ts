import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { AccessFacts } from '../../src/domain/decision.ts';
import type { Policy } from '../../src/domain/resources.ts';
import { createPolicyEngine } from '../../src/policy/engine.ts';
import { app, factsOf, group, now, policy, stateOf } from '../policy/facts.ts';

/**
 * What a decision costs: `node test/bench/policy.ts [--json FILE] [--quick]`. CPU time of this process, so that
 * a busy machine blurs it little; medians over rounds.
 */
const { values: flags } = parseArgs({ options: { json: { type: 'string' }, quick: { type: 'boolean' } } });
const rounds = flags.quick === true ? 5 : 15;

const median = (values: number[]): number => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** Median microseconds of CPU a call. */
function measure(calls: number, call: (index: number) => void): number {
  const samples: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const before = process.cpuUsage();
    for (let index = 0; index < calls; index++) call(round * calls + index);
    const { user, system } = process.cpuUsage(before);
    if (round > 0) samples.push((user + system) / calls);
  }
  return median(samples);
}

const appName = (index: number): string => `app-${index}`;

/** Every application with its share of the policies, and ten that speak of all applications. */
function policySet(policies: number, apps: number): Policy[] {
  return Array.from({ length: policies }, (_, index) =>
    index < 10
      ? policy(`everywhere-${index}`, `forbid (principal in Group::"banned-${index}", action, resource);`)
      : policy(
          `policy-${index}`,
          `permit (principal in Group::"group-${index % 200}", action == Action::"access", resource == App::"${appName(index % apps)}")
           when { context.posture.diskEncrypted && context.posture.ageSeconds < 600 };`,
        ),
  );
}

function world(policyCount: number, appCount: number) {
  const apps = Array.from({ length: appCount }, (_, index) => app(appName(index), `network-${index}`));
  const groups = Array.from({ length: 200 }, (_, index) =>
    group(`group-${index}`, [
      'alice@example.org',
      ...Array.from({ length: 50 }, (_, n) => `user-${n}@example.org`),
    ]),
  );
  return { apps, state: stateOf({ policies: policySet(policyCount, appCount), apps, groups }) };
}

const small = world(500, 150);
const facts = factsOf({ app: small.apps[20] as (typeof small.apps)[number], expiresAt: now + 600 });

const cached = createPolicyEngine();
cached.load(small.state);
if (cached.decide(facts).effect !== 'allow') throw new Error('the benchmark measures the wrong thing');
const cachedMicros = measure(flags.quick === true ? 50_000 : 200_000, () => cached.decide(facts));

// Another request of the same laptop: what a connection that is kept alive asks.
const requests: AccessFacts[] = Array.from({ length: 1000 }, (_, index) => ({
  ...facts,
  request: { ...facts.request, path: `/documents/${index}` },
}));
const cachedOtherPathMicros = measure(flags.quick === true ? 50_000 : 200_000, (index) =>
  cached.decide(requests[index % 1000] as AccessFacts),
);

const uncached = createPolicyEngine({ cache: false });
uncached.load(small.state);
const uncachedMicros = measure(flags.quick === true ? 500 : 3000, () => uncached.decide(facts));

// Load and first decisions of a large organization.
const heap = (): number => {
  globalThis.gc?.();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + external + arrayBuffers;
};
const large = world(5000, 150);
const cpuMilliseconds = (work: () => void): number => {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
};
const before = heap();
const engine = createPolicyEngine();
const loadMs = cpuMilliseconds(() => engine.load(large.state));
const askAll = (): void => {
  for (const each of large.apps) engine.decide(factsOf({ app: each }));
};
const firstDecisionsMs = cpuMilliseconds(askAll);
const megabytes = (heap() - before) / 1e6;
const reloads: number[] = [];
for (let round = 0; round < rounds; round++) {
  large.state.head = { ...large.state.head, sequence: large.state.head.sequence + 1 };
  reloads.push(cpuMilliseconds(() => engine.load(large.state)));
}
const rss = process.memoryUsage.rss() / 1e6;

const figures: Record<string, number> = {
  'cachedMicroseconds.sameRequest': cachedMicros,
  'cachedMicroseconds.otherPath': cachedOtherPathMicros,
  'uncachedMicroseconds.500Policies': uncachedMicros,
  'loadMilliseconds.5000Policies': loadMs,
  'firstDecisionMilliseconds.perApp': firstDecisionsMs / large.apps.length,
  'reloadMilliseconds.policiesUnchanged': median(reloads),
  'memoryMegabytes.5000Policies150Apps': megabytes,
  'memoryMegabytes.process': rss,
};
console.table(
  Object.fromEntries(Object.entries(figures).map(([key, value]) => [key, Number(value.toPrecision(3))])),
);
if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(figures, null, 2)}\n`);
