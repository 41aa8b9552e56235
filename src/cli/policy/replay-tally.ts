import type { Decision } from '../../domain/decision.ts';
import type { RecordedAccess } from '../../flow/read/recorded-access.ts';

export const changeKinds = ['newly-denied', 'newly-challenged', 'newly-allowed'] as const;
export type ReplayChangeKind = (typeof changeKinds)[number];

/** Flows of one user to one app that the proposal decides otherwise. */
export interface ReplayChange {
  readonly change: ReplayChangeKind;
  readonly user: string;
  readonly app: string;
  readonly flows: number;
  /** Reasons of the proposal's denials, or what is missing; the policies that decide, where it allows. */
  readonly because: readonly string[];
  /** Ids of the first few, to be looked up in the records. */
  readonly samples: readonly string[];
}

export interface ReplayReport {
  /** Accesses that were judged. */
  readonly judged: number;
  readonly changes: readonly ReplayChange[];
  /** Accesses that policies of now already decide otherwise than they were decided. */
  readonly drifted: number;
  /** Refused by the state of a device or session, before policies. */
  readonly beforePolicies: number;
  /** Could not be judged, by what was missing. */
  readonly notJudged: Readonly<Record<string, number>>;
  readonly malformed: number;
}

interface Tally {
  judged(access: RecordedAccess, was: Decision, is: Decision): void;
  notJudged(why: string): void;
  beforePolicies(): void;
  malformed(): void;
  report(): ReplayReport;
}

const maxSamples = 3;
const maxReasons = 5;

/** Counts what a replay finds. It grows with users and apps, not with flows. */
export function createReplayTally(): Tally {
  type Row = { flows: number; readonly because: Set<string>; readonly samples: string[] };
  const rows = new Map<ReplayChangeKind, Map<string, Map<string, Row>>>(
    changeKinds.map((kind) => [kind, new Map()]),
  );
  const notJudged: Record<string, number> = {};
  let judged = 0;
  let drifted = 0;
  let beforePolicies = 0;
  let malformed = 0;

  const rowOf = (kind: ReplayChangeKind, user: string, app: string): Row => {
    const ofKind = rows.get(kind) ?? new Map<string, Map<string, Row>>();
    const ofUser = ofKind.get(user) ?? new Map<string, Row>();
    const row = ofUser.get(app) ?? { flows: 0, because: new Set(), samples: [] };
    ofKind.set(user, ofUser.set(app, row));
    return row;
  };

  return {
    judged(access, was, is) {
      judged += 1;
      if (was.effect !== access.effect) drifted += 1;
      if (was.effect === is.effect) return;
      const row = rowOf(kinds[is.effect], access.session.user ?? access.session.device, access.app);
      row.flows += 1;
      if (row.because.size < maxReasons) for (const word of wordsOf(is)) row.because.add(word);
      if (row.samples.length < maxSamples) row.samples.push(access.flow);
    },
    notJudged: (why) => void (notJudged[why] = (notJudged[why] ?? 0) + 1),
    beforePolicies: () => void (beforePolicies += 1),
    malformed: () => void (malformed += 1),
    report: () => ({
      judged,
      changes: [...rows].flatMap(([change, users]) =>
        [...users]
          .flatMap(([user, apps]) =>
            [...apps].map(([app, { flows, because, samples }]) => ({
              change,
              user,
              app,
              flows,
              because: [...because],
              samples,
            })),
          )
          .sort(
            (a, b) =>
              b.flows - a.flows || (a.user < b.user ? -1 : a.user > b.user ? 1 : a.app < b.app ? -1 : 1),
          ),
      ),
      drifted,
      beforePolicies,
      notJudged,
      malformed,
    }),
  };
}

const kinds = { deny: 'newly-denied', challenge: 'newly-challenged', allow: 'newly-allowed' } as const;

function wordsOf(decision: Decision): readonly string[] {
  if (decision.effect === 'allow') return decision.policies;
  return decision.effect === 'challenge' ? decision.missing : [...decision.reasons, ...decision.policies];
}
