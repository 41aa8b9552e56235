import type { FlowCount, FlowView } from '../../contract/flow-search.ts';
import type { FlowRow } from '../archive/columns.ts';
import { isBefore, isCarrier, newestFirst, uncountedActivities, unsummedActivities } from './flow-query.ts';
import type { FlowAnswer, FlowQuery } from './flow-query.ts';

/** Gathers what fits a query from more than one place, in bounded memory. */
export interface Collector {
  add(row: FlowRow, text: string): void;
  /** Of the archive, which has no record twice, nor one that was added here. */
  addAnswer(answer: FlowAnswer): void;
  /** Whether nothing that happened before a time (epoch milliseconds) would be shown any more. */
  isFullFrom(time: number): boolean;
  answer(): FlowAnswer;
}

export const createCollector = (query: FlowQuery): Collector =>
  query.kind === 'rows' ? collectRows(query) : collectCounts(query);

function collectRows({ limit, after, whole }: FlowQuery & { kind: 'rows' }): Collector {
  let rows: FlowView[] = [];
  const cut = (): void => {
    rows = rows.toSorted(newestFirst).slice(0, limit);
  };
  return {
    add(row, text) {
      if (after !== undefined && !isBefore(row, after)) return;
      rows.push({
        ...row,
        reasons: [...row.reasons],
        policies: [...row.policies],
        ...(whole ? { record: text } : {}),
      });
      if (rows.length >= 2 * limit) cut();
    },
    addAnswer(answer) {
      if (answer.kind === 'rows') rows.push(...answer.rows);
    },
    isFullFrom(time) {
      cut();
      const last = rows[limit - 1];
      return last !== undefined && (last.time ?? 0) >= time;
    },
    answer() {
      cut();
      return { kind: 'rows', rows };
    },
  };
}

/** Combinations that are counted at once; what is beyond is not among the most frequent of the end of a spool. */
const mostCombinations = 100_000;

function collectCounts({ by, limit }: FlowQuery & { kind: 'counts' }): Collector {
  const counts = new Map<string, FlowCount>();
  const addCount = (count: FlowCount): void => {
    const key = JSON.stringify(by.map((name) => count.by[name] ?? null));
    const known = counts.get(key);
    if (known !== undefined) counts.set(key, sumOf(known, count));
    else if (counts.size < mostCombinations) counts.set(key, count);
  };
  return {
    add(row) {
      const activity = row.activity ?? '';
      const one = uncountedActivities.has(activity) ? 0 : 1;
      const carries = isCarrier(row);
      // What no policy was asked about was let through by none: a sign-in, or a tunnel that only carries requests.
      const isLetThrough = row.verdict === 'allowed' && row.decision !== null && !carries;
      const isSummed = !unsummedActivities.has(activity) && !carries;
      addCount({
        by: Object.fromEntries(by.map((name) => [name, row[name]])),
        allowed: isLetThrough ? one : 0,
        denied: row.verdict === 'denied' ? one : 0,
        other: !isLetThrough && row.verdict !== 'denied' ? one : 0,
        bytesIn: isSummed ? (row.bytesIn ?? 0) : 0,
        bytesOut: isSummed ? (row.bytesOut ?? 0) : 0,
        first: row.time ?? 0,
        last: row.time ?? 0,
      });
    },
    addAnswer(answer) {
      if (answer.kind === 'counts') for (const count of answer.counts) addCount(count);
    },
    isFullFrom: () => false,
    answer() {
      const total = ({ allowed, denied, other }: FlowCount): number => allowed + denied + other;
      const sorted = [...counts.values()].sort((a, b) => total(b) - total(a) || b.last - a.last);
      return { kind: 'counts', counts: sorted.slice(0, limit) };
    },
  };
}

const sumOf = (one: FlowCount, other: FlowCount): FlowCount => ({
  by: one.by,
  allowed: one.allowed + other.allowed,
  denied: one.denied + other.denied,
  other: one.other + other.other,
  bytesIn: one.bytesIn + other.bytesIn,
  bytesOut: one.bytesOut + other.bytesOut,
  first: Math.min(one.first, other.first),
  last: Math.max(one.last, other.last),
});
