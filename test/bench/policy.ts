import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { AccessFacts } from '../../src/domain/decision.ts';
import type { App, Policy, Resource } from '../../src/domain/resources.ts';
import { createPolicyEngine } from '../../src/policy/engine.ts';
import { fullSize, organizationResources, userName } from './support/organization.ts';
import { app, factsOf, group, now, policy, stateOf } from '../policy/facts.ts';

/**
 * What a decision costs: `npm run bench:policy -- [--json FILE] [--quick]`. CPU time of this process, so that
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

// The whole organization: load, first decisions, and decisions of many users on many applications.
const heap = (): number => {
  globalThis.gc?.();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + external + arrayBuffers;
};
const resources = organizationResources(fullSize);
const everyUser = Array.from({ length: fullSize.users }, (_, index) => userName(index));
const ofKind = <Kind extends Resource['kind']>(kind: Kind) =>
  resources.filter((each): each is Extract<Resource, { kind: Kind }> => each.kind === kind);
const apps = ofKind('App');
const large = stateOf({
  apps,
  policies: ofKind('Policy'),
  groups: [...ofKind('Group'), group('everyone', everyUser), group('staff', everyUser.slice(0, 20_000))],
});
const cpuMilliseconds = (work: () => void): number => {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
};
const before = heap();
const engine = createPolicyEngine();
const loadMs = cpuMilliseconds(() => engine.load(large));
const askAll = (): void => {
  for (const each of apps) engine.decide(factsOf({ app: each }));
};
const firstDecisionsMs = cpuMilliseconds(askAll);
const megabytes = (heap() - before) / 1e6;

// Sessions of users who may use the application that they ask for, and of as many who may not.
const sessionOf = (user: string, asked: App, index: number): AccessFacts =>
  factsOf({ user, app: asked, path: `/part-${index}/documents`, expiresAt: now + 600 });
const ofEach = 500;
const allowedSessions: AccessFacts[] = [];
const deniedSessions: AccessFacts[] = [];
for (const [index, user] of everyUser.entries()) {
  if (allowedSessions.length === ofEach && deniedSessions.length === ofEach) break;
  const facts = sessionOf(user, apps[(index * 7) % apps.length] as App, index);
  const list = engine.decide(facts).effect === 'allow' ? allowedSessions : deniedSessions;
  if (list.length < ofEach) list.push(facts);
}
if (allowedSessions.length < ofEach) throw new Error('the benchmark measures the wrong thing');
const sessions = allowedSessions.flatMap((each, index) => [each, deniedSessions[index] as AccessFacts]);
const nextOf = (list: readonly AccessFacts[], index: number): AccessFacts =>
  list[index % list.length] as AccessFacts;
const cachedLargeMicros = measure(flags.quick === true ? 50_000 : 200_000, (index) =>
  engine.decide(nextOf(sessions, index)),
);
const uncachedLarge = createPolicyEngine({ cache: false });
uncachedLarge.load(large);
for (const each of apps) uncachedLarge.decide(factsOf({ app: each }));
const uncachedMicrosOf = (list: readonly AccessFacts[]): number =>
  measure(flags.quick === true ? 500 : 2000, (index) => uncachedLarge.decide(nextOf(list, index)));
const uncachedAllowedMicros = uncachedMicrosOf(allowedSessions);
const uncachedDeniedMicros = uncachedMicrosOf(deniedSessions);

const nextHead = (): void => {
  large.head = { ...large.head, sequence: large.head.sequence + 1 };
};
const reloads: number[] = [];
const groupReloads: number[] = [];
const firstAfterReload: number[] = [];
for (let round = 0; round < rounds; round++) {
  nextHead();
  reloads.push(cpuMilliseconds(() => engine.load(large)));
  firstAfterReload.push(cpuMilliseconds(() => sessions.forEach((each) => engine.decide(each))));
  nextHead();
  large.groups.set('everyone', group('everyone', everyUser.slice(round % 2)));
  groupReloads.push(cpuMilliseconds(() => engine.load(large)));
}
const rss = process.memoryUsage.rss() / 1e6;

const figures: Record<string, number> = {
  'cachedMicroseconds.sameRequest': cachedMicros,
  'cachedMicroseconds.otherPath': cachedOtherPathMicros,
  'uncachedMicroseconds.500Policies': uncachedMicros,
  'cachedMicroseconds.5000Policies30000Users': cachedLargeMicros,
  'uncachedMicroseconds.5000Policies30000Users.allowed': uncachedAllowedMicros,
  'uncachedMicroseconds.5000Policies30000Users.denied': uncachedDeniedMicros,
  'loadMilliseconds.5000Policies': loadMs,
  'firstDecisionMilliseconds.perApp': firstDecisionsMs / apps.length,
  'reloadMilliseconds.onlyTheHeadMoved': median(reloads),
  'reloadMilliseconds.oneOfAGroupOf30000Left': median(groupReloads),
  firstDecisionAfterReloadMicroseconds: (median(firstAfterReload) * 1000) / sessions.length,
  'memoryMegabytes.5000Policies150Apps': megabytes,
  'memoryMegabytes.process': rss,
};
console.table(
  Object.fromEntries(Object.entries(figures).map(([key, value]) => [key, Number(value.toPrecision(3))])),
);
if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(figures, null, 2)}\n`);
