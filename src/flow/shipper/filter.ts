import type { SinkFilter } from '../../contract/sinks.ts';
import { severityNames } from '../../contract/sinks.ts';
import { textOf } from './spool-item.ts';
import type { FlowRecord } from './spool-item.ts';

export type RecordFilter = (record: FlowRecord) => boolean;

/** Whether a sink wants a record. What a record does not say, it does not fit. */
export function createFilter(filter: SinkFilter | undefined): RecordFilter {
  if (filter === undefined) return () => true;
  const { classes, minimumSeverity, apps, networks, users, devices, only } = filter;
  const tests: RecordFilter[] = [];
  if (classes !== undefined) {
    const wanted = new Set<unknown>(classes);
    tests.push((record) => wanted.has(record['class_uid']));
  }
  if (minimumSeverity !== undefined) {
    const least = severityNames.indexOf(minimumSeverity) + 1;
    tests.push((record) => Number(record['severity_id'] ?? 0) >= least);
  }
  const oneOf = (names: readonly string[] | undefined, ...paths: readonly (readonly string[])[]): void => {
    if (names === undefined) return;
    const wanted = new Set(names);
    tests.push((record) => paths.some((path) => wanted.has(textOf(record, ...path) ?? '')));
  };
  oneOf(apps, ['unmapped', 'postern', 'app']);
  oneOf(networks, ['unmapped', 'postern', 'network']);
  oneOf(users, ['unmapped', 'postern', 'user'], ['actor', 'user', 'name'], ['user', 'name']);
  oneOf(devices, ['unmapped', 'postern', 'device'], ['device', 'uid']);
  if (only === 'refusals')
    // Of a finding the status is how far someone has looked into it.
    tests.push(
      (record) => record['action_id'] === 2 || (record['class_uid'] !== 2004 && record['status_id'] === 2),
    );
  return (record) => tests.every((test) => test(record));
}
