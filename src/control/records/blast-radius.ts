import { setImmediate as nextTurn } from 'node:timers/promises';
import type { BlastRadius } from '../../contract/blast-radius.ts';
import { isPseudonym } from '../../contract/session-token.ts';
import type { FlowCount } from '../../contract/flow-search.ts';
import type { Device } from '../../domain/device.ts';
import type { UserName } from '../../domain/ids.ts';
import { machineName } from '../../domain/subject.ts';
import { readAccess } from '../../flow/read/recorded-access.ts';
import type { RecordedAccess } from '../../flow/read/recorded-access.ts';
import type { FlowAnswer, FlowQuery } from '../../flow/search/flow-query.ts';
import { policyVersionOf } from '../../policy/policy-version.ts';
import type { ControlParts } from '../api/control-parts.ts';
import { nowSeconds } from '../api/control-parts.ts';
import { hypotheticalSubject } from '../hypothetical-subject.ts';

export interface BlastRadiusQuestion {
  readonly device: Device;
  /** Epoch milliseconds. */
  readonly since: number;
  readonly until: number;
  readonly ask: (query: FlowQuery) => Promise<FlowAnswer>;
}

const mostCounts = 1000;
const mostUsers = 20;
/** Records that are looked at for one that says what a user's token said. */
const mostRecords = 50;

/**
 * What a device reached and tried by the records, and could reach by the policies of now: for each who used it, with the posture
 * that it last reported, as if reported anew, and with what the newest record says of the user's groups and sign-in.
 */
export async function measureBlastRadius(
  parts: Pick<ControlParts, 'store' | 'engine' | 'postures' | 'people' | 'clock'>,
  { device, since, until, ask }: BlastRadiusQuestion,
): Promise<BlastRadius> {
  const filter = { device: device.id };
  const counted = await ask({
    kind: 'counts',
    by: ['app', 'network', 'user', 'refusal'],
    filter,
    since,
    until,
    limit: mostCounts,
  });
  const counts = counted.kind === 'counts' ? counted.counts : [];
  const reached = byApp(counts.filter(({ allowed }) => allowed > 0));
  const tried = byApp(counts.filter(({ denied }) => denied > 0));
  // A pseudonym is in no group, and is not looked behind here: whoever enrolled the device is known by name.
  const used = counts.flatMap(({ by: { user }, allowed, denied }) =>
    typeof user === 'string' && allowed + denied > 0 && !isPseudonym(user) ? [user] : [],
  );
  const users: (string | null)[] =
    device.role === 'machine' ? [null] : [...new Set([device.user, ...used])].slice(0, mostUsers);
  const people: Person[] = [];
  for (const user of users) people.push(await knownOf(parts, { device, since, until, ask }, user));
  const reachedApps = new Set(reached.map(({ app }) => app));
  return {
    device: { id: device.id, user: device.user, role: device.role, state: device.state },
    since,
    until,
    reached: reached.map(({ counts, ...rest }) => ({
      ...rest,
      allowed: sum(counts, 'allowed'),
      bytesIn: sum(counts, 'bytesIn'),
      bytesOut: sum(counts, 'bytesOut'),
    })),
    tried: tried.map(({ counts, ...rest }) => ({
      ...rest,
      denied: sum(counts, 'denied'),
      refusals: distinct(counts.map(({ by }) => by['refusal'])),
    })),
    assumed: people.map(({ user, posture, access }) => ({
      user,
      posture: posture.origin,
      claims: access?.session.claims === undefined ? 'none' : 'recorded',
      signIn: access?.session.signIn == null ? 'none' : 'recorded',
    })),
    couldReach: await judgeAll(parts, device, people, reachedApps),
    apps: parts.store.state.apps.size,
    policyVersion: policyVersionOf(parts.store.state.head),
  };
}

interface AppCounts {
  readonly app: string | null;
  readonly network: string | null;
  readonly users: string[];
  readonly first: number;
  readonly last: number;
  readonly counts: readonly FlowCount[];
}

/** The most used first. */
function byApp(counts: readonly FlowCount[]): AppCounts[] {
  const groups = Map.groupBy(counts, ({ by: { app, network } }) => JSON.stringify([app, network]));
  return [...groups.values()].map((group) => ({
    app: textOf(group[0]?.by['app']),
    network: textOf(group[0]?.by['network']),
    users: distinct(group.map(({ by }) => by['user'])),
    first: Math.min(...group.map(({ first }) => first)),
    last: Math.max(...group.map(({ last }) => last)),
    counts: group,
  }));
}

const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : null);
const distinct = (values: readonly unknown[]): string[] =>
  [...new Set(values.filter((value) => typeof value === 'string'))].sort((a, b) => (a < b ? -1 : 1));
const sum = (counts: readonly FlowCount[], name: 'allowed' | 'denied' | 'bytesIn' | 'bytesOut'): number =>
  counts.reduce((total, count) => total + count[name], 0);

interface Person {
  readonly user: string | null;
  readonly access: RecordedAccess | undefined;
  readonly posture: {
    readonly origin: 'last-reported' | 'recorded' | 'none';
    readonly value: RecordedAccess['session']['posture'];
  };
}

async function knownOf(
  { postures, people }: Pick<ControlParts, 'postures' | 'people'>,
  question: BlastRadiusQuestion,
  user: string | null,
): Promise<Person> {
  let accesses: RecordedAccess[] = [];
  for (const name of await namesOf(people, user)) {
    accesses = await accessesOf(question, name);
    if (accesses.length > 0) break;
  }
  const [access] = accesses;
  const last = await postures.recall(question.device.id);
  const recorded = accesses.find(({ session }) => session.posture !== undefined)?.session.posture;
  const value = last ?? recorded;
  const origin = last !== undefined ? 'last-reported' : recorded !== undefined ? 'recorded' : 'none';
  return { user, access, posture: { origin, value } };
}

/** What records may call somebody, the newest pseudonym first; undefined for a machine, which has no user in them. */
async function namesOf(
  people: ControlParts['people'],
  user: string | null,
): Promise<readonly (string | undefined)[]> {
  if (user === null) return [undefined];
  const pseudonyms = (await people?.pseudonyms(user)) ?? [];
  return [...pseudonyms.toSorted((a, b) => (a < b ? 1 : -1)), user];
}

async function accessesOf(
  { device, since, until, ask }: BlastRadiusQuestion,
  user: string | undefined,
): Promise<RecordedAccess[]> {
  const answer = await ask({
    kind: 'rows',
    filter: { device: device.id, ...(user === undefined ? {} : { user }) },
    since,
    until,
    limit: mostRecords,
    whole: true,
  });
  return (answer.kind === 'rows' ? answer.rows : []).flatMap(({ record = '' }) => {
    const access = readAccess(record);
    return access === 'none' || access === 'malformed' ? [] : [access];
  });
}

async function judgeAll(
  parts: Pick<ControlParts, 'store' | 'engine' | 'clock'>,
  device: Device,
  people: readonly Person[],
  reached: ReadonlySet<string | null>,
): Promise<BlastRadius['couldReach']> {
  const now = nowSeconds(parts);
  const found: BlastRadius['couldReach'] = [];
  for (const { user, access, posture } of people) {
    const { claims = {}, signIn } = access?.session ?? {};
    const subject = hypotheticalSubject(device, {
      user: user === null ? machineName(parts.store.state.domain, device.id) : (user as UserName),
      posture: posture.value === undefined ? undefined : { ...posture.value, measuredAt: now },
      claims,
      signIn: signIn == null ? undefined : { id: 'hypothetical', ...signIn },
      now,
    });
    for (const app of parts.store.state.apps.values()) {
      // Policies of an application are compiled when it is asked about first: others are served in between.
      await nextTurn();
      const isHttp = app.protocol === 'http';
      const decision = parts.engine.decide({
        subject,
        app,
        request: {
          method: isHttp ? 'GET' : 'CONNECT',
          path: isHttp ? '/' : '',
          host: app.host,
          sourceAddress: access?.sourceAddress ?? '0.0.0.0',
        },
        now,
      });
      if (decision.effect === 'deny') continue;
      found.push({
        app: app.name,
        network: app.network,
        user,
        effect: decision.effect,
        reasons: decision.effect === 'challenge' ? [...decision.missing] : [],
        policies: [...decision.policies],
        reached: reached.has(app.name),
      });
    }
  }
  return found;
}
