import { recordedName } from '../../domain/subject.ts';
import type { Finding } from '../../domain/finding.ts';
import type { Flow } from '../flow.ts';

/** What a finding says of every flow that it is about. One object for each kind, or one that reads the same. */
export type SituationKind = Pick<Finding, 'rule' | 'title' | 'description' | 'severity' | 'malware'>;

/** The numbers of one flow: those that add up over flows, and those of which the highest is told. */
export interface SituationCounts {
  readonly sums: Readonly<Record<string, number>>;
  readonly highest?: Readonly<Record<string, number>>;
}

/**
 * Tells the security team of flows in which something was found: at the first of a device and user to an application, and
 * as they go on.
 */
export interface Situations {
  note(flow: Flow, kind: SituationKind, counts: SituationCounts): void;
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
  readonly about: SituationKind & Pick<Finding, 'id' | 'user' | 'device' | 'app'>;
  readonly firstSeenAt: number;
  lastSeenAt: number;
  /** Undefined before the first time. */
  toldAt: number | undefined;
  /** Whether nothing has come since. */
  isTold: boolean;
  readonly counts: Record<string, number>;
  readonly flows: string[];
}

/** @param newId of a finding, unique. @param now epoch milliseconds. */
export function createSituations(parts: {
  readonly record: (finding: Finding) => void;
  readonly newId: () => string;
  readonly now: () => number;
}): Situations {
  const { record, newId, now } = parts;
  const situations = new Map<string, Situation>();

  const tell = (situation: Situation, at: number): void => {
    const { about, firstSeenAt, lastSeenAt, counts, flows } = situation;
    record({
      ...about,
      state: situation.toldAt === undefined ? 'new' : 'updated',
      at,
      firstSeenAt,
      lastSeenAt,
      flows: [...flows],
      counts: { ...counts },
    });
    situation.toldAt = at;
    situation.isTold = true;
  };
  const situationOf = (flow: Flow, kind: SituationKind, at: number): Situation => {
    const { app, subject, exchange } = flow;
    const { device } = exchange.connection.certificate;
    const user = subject === undefined ? undefined : recordedName(subject);
    const key = JSON.stringify([device, user, app?.name, kind.rule, kind.title, kind.malware]);
    const known = situations.get(key);
    if (known !== undefined && at - known.lastSeenAt <= quietMs) return known;
    const { rule, title, description, severity, malware } = kind;
    const situation: Situation = {
      about: {
        id: newId(),
        rule,
        title,
        description,
        severity,
        ...(malware === undefined ? {} : { malware }),
        ...(user === undefined ? {} : { user }),
        device,
        ...(app === undefined ? {} : { app: app.name }),
      },
      firstSeenAt: at,
      lastSeenAt: at,
      toldAt: undefined,
      isTold: false,
      counts: {},
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
    note(flow, kind, { sums, highest = {} }) {
      const at = now();
      const situation = situationOf(flow, kind, at);
      const { counts, flows } = situation;
      situation.lastSeenAt = at;
      situation.isTold = false;
      for (const [name, count] of Object.entries(sums)) counts[name] = (counts[name] ?? 0) + count;
      for (const [name, count] of Object.entries(highest)) counts[name] = Math.max(counts[name] ?? 0, count);
      if (flows.length < maxFlows) flows.push(flow.id);
      if (situation.toldAt === undefined) tell(situation, at);
    },
    tellOn() {
      if (situations.size === 0) return;
      const at = now();
      for (const [key, situation] of situations) {
        const { toldAt = at, lastSeenAt } = situation;
        if (!situation.isTold && at - toldAt >= tellEveryMs) tell(situation, at);
        if (situation.isTold && at - lastSeenAt > quietMs) situations.delete(key);
      }
    },
  };
}
