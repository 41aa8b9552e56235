import type { Finding } from '../../domain/finding.ts';
import type { Flow } from '../flow.ts';
import type { WafProfile } from './waf-profile.ts';

/** Tells the security team of requests that look like attacks: at the first of a device to an application, and as they go on. */
export interface WafFindings {
  /** A request whose score reached the threshold. */
  note(flow: Flow, profile: WafProfile, score: number): void;
  /** Tells what has come since it was last told. To be called now and then. */
  tellOn(): void;
}

/** As long may nothing come before what comes then is another situation. */
const quietMs = 15 * 60_000;
/** A scanner makes thousands of requests in a minute. */
const tellEveryMs = 60_000;
/** Situations that are remembered; of more the oldest would be told as new. */
const maxSituations = 1024;
const maxFlows = 100;

interface Situation {
  /** What does not change of it. */
  readonly about: Pick<
    Finding,
    'id' | 'rule' | 'title' | 'description' | 'severity' | 'user' | 'device' | 'app'
  >;
  readonly firstSeenAt: number;
  lastSeenAt: number;
  /** Undefined before the first time. */
  toldAt: number | undefined;
  toldRequests: number;
  requests: number;
  highestScore: number;
  readonly flows: string[];
}

/** @param newId of a finding, unique. @param now epoch milliseconds. */
export function createWafFindings(parts: {
  readonly record: (finding: Finding) => void;
  readonly newId: () => string;
  readonly now: () => number;
}): WafFindings {
  const { record, newId, now } = parts;
  const situations = new Map<string, Situation>();

  const tell = (situation: Situation, at: number): void => {
    const { about, firstSeenAt, lastSeenAt, requests, highestScore, flows } = situation;
    record({
      ...about,
      state: situation.toldAt === undefined ? 'new' : 'updated',
      at,
      firstSeenAt,
      lastSeenAt,
      flows: [...flows],
      counts: { requests, highestScore },
    });
    situation.toldAt = at;
    situation.toldRequests = requests;
  };
  const situationOf = (flow: Flow, profile: WafProfile, at: number): Situation => {
    const key = JSON.stringify([
      flow.exchange.connection.certificate.device,
      flow.subject?.token.user,
      flow.app?.name,
      profile.isBlocking,
    ]);
    const known = situations.get(key);
    if (known !== undefined && at - known.lastSeenAt <= quietMs) return known;
    const situation: Situation = {
      about: { id: newId(), ...describe(flow, profile) },
      firstSeenAt: at,
      lastSeenAt: at,
      toldAt: undefined,
      toldRequests: 0,
      requests: 0,
      highestScore: 0,
      flows: [],
    };
    // What came last stands last.
    situations.delete(key);
    situations.set(key, situation);
    const [oldest] = situations.keys();
    if (situations.size > maxSituations && oldest !== undefined) situations.delete(oldest);
    return situation;
  };

  return {
    note(flow, profile, score) {
      const at = now();
      const situation = situationOf(flow, profile, at);
      situation.lastSeenAt = at;
      situation.requests += 1;
      situation.highestScore = Math.max(situation.highestScore, score);
      if (situation.flows.length < maxFlows) situation.flows.push(flow.id);
      if (situation.toldAt === undefined) tell(situation, at);
    },
    tellOn() {
      if (situations.size === 0) return;
      const at = now();
      for (const [key, situation] of situations) {
        const { toldAt = at, toldRequests, requests, lastSeenAt } = situation;
        if (requests > toldRequests && at - toldAt >= tellEveryMs) tell(situation, at);
        if (requests === situation.toldRequests && at - lastSeenAt > quietMs) situations.delete(key);
      }
    },
  };
}

function describe(
  { app, subject, exchange }: Flow,
  { isBlocking }: WafProfile,
): Omit<Situation['about'], 'id'> {
  const user = subject?.token.user;
  return {
    rule: 'requests-suspicious',
    title: isBlocking ? 'Requests that look like attacks' : 'Requests that look like attacks, let through',
    description: isBlocking
      ? 'They hold what applications are attacked with, and did not reach this one.'
      : 'They hold what applications are attacked with, and reached this one, which is set to detect only.',
    severity: isBlocking ? 'medium' : 'high',
    ...(user === undefined ? {} : { user }),
    device: exchange.connection.certificate.device,
    ...(app === undefined ? {} : { app: app.name }),
  };
}
