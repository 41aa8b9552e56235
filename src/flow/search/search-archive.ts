import { BIGINT, INTEGER, LIST, VARCHAR, listValue } from '@duckdb/node-api';
import type { DuckDBConnection, DuckDBType, DuckDBValue } from '@duckdb/node-api';
import { flowClassNames } from '../../contract/flow-search.ts';
import type { FlowCount, FlowView } from '../../contract/flow-search.ts';
import { columnNames, columns } from '../archive/columns.ts';
import { quoteName, quoteText } from '../archive/open-database.ts';
import { tunnelActivities, uncountedActivities, unsummedActivities } from './flow-query.ts';
import type { FlowAnswer, FlowQuery } from './flow-query.ts';

/** A statement whose every value is bound: nothing that anybody asked for is ever part of its text. */
interface Statement {
  readonly sql: string;
  readonly values: Record<string, DuckDBValue>;
  readonly types: Record<string, DuckDBType>;
}

/** Asks Parquet files of an archive. @throws what DuckDB throws, as for a file that was removed meanwhile */
export async function searchArchive(
  connection: DuckDBConnection,
  files: readonly string[],
  query: FlowQuery,
): Promise<FlowAnswer> {
  if (files.length === 0)
    return query.kind === 'rows' ? { kind: 'rows', rows: [] } : { kind: 'counts', counts: [] };
  const { sql, values, types } =
    query.kind === 'rows' ? rowsStatement(files, query) : countsStatement(files, query);
  const reader = await connection.runAndReadAll(sql, values, types);
  const found = reader.getRowObjectsJS().map(plain);
  return query.kind === 'rows'
    ? { kind: 'rows', rows: found as unknown as FlowView[] }
    : { kind: 'counts', counts: found.map((row) => countOf(row, query.by)) };
}

function rowsStatement(files: readonly string[], query: FlowQuery & { kind: 'rows' }): Statement {
  const condition = conditionOf(files, query);
  const shown = columnNames.map((name) =>
    columns[name].kind === 'time' ? `epoch_ms(${quoteName(name)}) AS ${quoteName(name)}` : quoteName(name),
  );
  const { after } = query;
  const behind =
    after === undefined
      ? ''
      : ` AND (time < make_timestamp_ms($afterTime) OR (time = make_timestamp_ms($afterTime) AND uid < $afterUid))`;
  return {
    sql: `SELECT ${shown.join(', ')}${query.whole ? ', record' : ''} FROM ${condition.from} WHERE ${condition.where}${behind}
      ORDER BY time DESC, uid DESC LIMIT $limit`,
    values: {
      ...condition.values,
      ...(after === undefined ? {} : { afterTime: BigInt(after.time), afterUid: after.uid }),
    },
    types: { ...condition.types, ...(after === undefined ? {} : { afterTime: BIGINT, afterUid: VARCHAR }) },
  };
}

const mostCombinations = 10_000;

function countsStatement(files: readonly string[], query: FlowQuery & { kind: 'counts' }): Statement {
  const { from, where, values, types } = conditionOf(files, {
    ...query,
    // Of the most frequent here, the end of the spool may make others.
    limit: Math.max(query.limit, mostCombinations),
  });
  const by = query.by.map(quoteName).join(', ');
  const among = (activities: ReadonlySet<string>): string => [...activities].map(quoteText).join(', ');
  const counted = `coalesce(activity, '') NOT IN (${among(uncountedActivities)})`;
  // As isCarrier() says it of a row.
  const carries = `(coalesce(class, 0) = ${flowClassNames.tunnel} AND upstream IS NULL AND coalesce(activity, '') IN (${among(tunnelActivities)}))`;
  const letThrough = `(coalesce(verdict, '') = 'allowed' AND decision IS NOT NULL AND NOT ${carries})`;
  const summed = `coalesce(activity, '') NOT IN (${among(unsummedActivities)}) AND NOT ${carries}`;
  return {
    sql: `SELECT ${by},
        count(*) FILTER (${counted} AND ${letThrough}) AS allowed,
        count(*) FILTER (${counted} AND verdict = 'denied') AS denied,
        count(*) FILTER (${counted} AND verdict IS DISTINCT FROM 'denied' AND NOT ${letThrough}) AS other,
        coalesce(sum("bytesIn") FILTER (${summed}), 0)::BIGINT AS "bytesIn",
        coalesce(sum("bytesOut") FILTER (${summed}), 0)::BIGINT AS "bytesOut",
        epoch_ms(min(time)) AS first, epoch_ms(max(time)) AS last
      FROM ${from} WHERE ${where} GROUP BY ${by} ORDER BY count(*) DESC, ${by} LIMIT $limit`,
    values,
    types,
  };
}

interface Condition extends Pick<Statement, 'values' | 'types'> {
  readonly from: string;
  readonly where: string;
}

function conditionOf(files: readonly string[], query: FlowQuery): Condition {
  const { filter, since, until, limit, exceptWorker } = query;
  const values: Statement['values'] = {
    files: listValue([...files]),
    since: BigInt(since),
    until: BigInt(until),
    limit: BigInt(limit),
  };
  const types: Statement['types'] = { files: LIST(VARCHAR), since: BIGINT, until: BIGINT, limit: BIGINT };
  const conditions = ['time >= make_timestamp_ms($since)', 'time < make_timestamp_ms($until)'];
  const { reason, flow, users, class: classUid, ...equal } = filter;
  for (const [name, value] of Object.entries(equal)) {
    conditions.push(`${quoteName(name)} = $${name}`);
    values[name] = value;
    types[name] = VARCHAR;
  }
  if (exceptWorker !== undefined) {
    conditions.push('worker IS DISTINCT FROM $exceptWorker');
    values['exceptWorker'] = exceptWorker;
    types['exceptWorker'] = INTEGER;
  }
  if (users !== undefined) {
    conditions.push('list_contains($users, user)');
    values['users'] = listValue([...users]);
    types['users'] = LIST(VARCHAR);
  }
  if (classUid !== undefined) {
    conditions.push('class = $class');
    values['class'] = classUid;
    types['class'] = INTEGER;
  }
  if (reason !== undefined) {
    conditions.push('(refusal = $reason OR list_contains(reasons, $reason))');
    values['reason'] = reason;
    types['reason'] = VARCHAR;
  }
  if (flow !== undefined) {
    conditions.push('(flow = $flow OR parent = $flow)');
    values['flow'] = flow;
    types['flow'] = VARCHAR;
  }
  // Files of years ago lack columns that came later.
  return {
    from: 'read_parquet($files, union_by_name = true)',
    where: conditions.join(' AND '),
    values,
    types,
  };
}

type Plain = Record<string, unknown>;

/** DuckDB's whole numbers of 64 bits as the numbers that they were. */
const plain = (row: Plain): Plain =>
  Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, typeof value === 'bigint' ? Number(value) : value]),
  );

function countOf(row: Plain, by: readonly string[]): FlowCount {
  const { allowed, denied, other, bytesIn, bytesOut, first, last } = row as unknown as Omit<FlowCount, 'by'>;
  const named = Object.fromEntries(by.map((name) => [name, row[name]])) as FlowCount['by'];
  return { by: named, allowed, denied, other, bytesIn, bytesOut, first, last };
}
