import { printable } from '../terminal/output.ts';

/** A member of a record, however deep; undefined where it is not there. Records are not verified when they are shown. */
function lookUp(record: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, key)
        ? (value as Record<string, unknown>)[key]
        : undefined,
    record,
  );
}

function text(record: unknown, ...paths: readonly (readonly string[])[]): string {
  for (const path of paths) {
    const value = lookUp(record, ...path);
    if (typeof value === 'string' || typeof value === 'number') return printable(String(value));
  }
  return '-';
}

/** Of what is no flow, whoever did it. */
const userOf = (record: unknown): string =>
  lookUp(record, 'unmapped', 'postern', 'flow') === undefined
    ? text(record, ['unmapped', 'postern', 'user'], ['actor', 'user', 'name'], ['user', 'name'])
    : text(record, ['unmapped', 'postern', 'user'], ['user', 'name']);

/** What shadow policies would have made of it, where that is something else. */
const shadowWords = (record: unknown): string[] =>
  (['allow', 'deny', 'challenge'] as const).flatMap((effect) => {
    const would = `would${effect.charAt(0).toUpperCase()}${effect.slice(1)}`;
    const names = lookUp(record, 'unmapped', 'postern', 'shadow', would);
    return Array.isArray(names) && names.length > 0
      ? [`shadow ${names.map(String).join(' ')} would ${effect}`]
      : [];
  });

const widths = [13, 8, 24, 20, 14, 18] as const;
const columns = (cells: readonly string[]): string =>
  cells
    .map((cell, index) => cell.padEnd(widths[index] ?? 0))
    .join(' ')
    .trimEnd();

export const flowTitles = (): string => columns(['TIME', 'ACTION', 'USER', 'DEVICE', 'APP', 'WHAT', 'WHY']);

/** One record as a line for people. The widths are fixed, since what comes later is not known yet. */
export function describeFlow(record: unknown): string {
  const time = lookUp(record, 'time');
  const at = typeof time === 'number' ? new Date(time).toISOString().slice(11, 23) : '-';
  const what =
    lookUp(record, 'class_uid') === 4002
      ? `${text(record, ['http_request', 'http_method'], ['activity_name'])} ${text(record, ['http_request', 'url', 'path'])} ${text(record, ['http_response', 'code'])}`
      : `${text(record, ['activity_name'])} ${text(record, ['url', 'url_string'], ['finding_info', 'title'], ['api', 'operation'], ['unmapped', 'postern', 'event'])}`;
  const reasons = lookUp(record, 'unmapped', 'postern', 'reasons');
  const why: readonly string[] = [
    text(record, ['unmapped', 'postern', 'refusal']),
    ...(Array.isArray(reasons) ? reasons.map(String) : []),
    text(record, ['status_detail']),
    ...shadowWords(record),
  ].filter((part) => part !== '-');
  return columns([
    at,
    text(record, ['action']),
    userOf(record),
    text(record, ['unmapped', 'postern', 'device']),
    text(record, ['unmapped', 'postern', 'app']),
    what,
    // The detail repeats the reasons, with the policies behind them.
    printable([...new Set(why.flatMap((part) => part.split(', ')))].join(', ')),
  ]);
}
