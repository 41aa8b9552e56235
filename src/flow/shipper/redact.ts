import { isIPv4, isIPv6 } from 'node:net';
import type { SinkRedaction } from '../../contract/sinks.ts';
import type { FlowRecord } from './spool-item.ts';

export type Redaction = (record: FlowRecord) => FlowRecord;

/** Undefined where everything stays, so that the bytes of the spool can be passed on as they are. */
export function createRedaction(redact: SinkRedaction | undefined): Redaction | undefined {
  const rules = [
    ...(redact?.remove ?? []).map((path) => ({ path: path.split('.'), change: () => undefined })),
    ...(redact?.mask ?? []).map((path) => ({ path: path.split('.'), change: maskText })),
    ...(redact?.truncateAddresses ?? []).map((path) => ({ path: path.split('.'), change: truncateAddress })),
  ];
  if (rules.length === 0) return undefined;
  return (record) => rules.reduce((left, { path, change }) => changeMember(left, path, change), record);
}

const maskText = (value: unknown): unknown => (typeof value === 'string' ? '***' : undefined);

/** What is no address goes: nothing that was to be shortened is passed on whole. */
function truncateAddress(value: unknown): unknown {
  if (typeof value !== 'string') return undefined;
  if (isIPv4(value)) return value.replace(/\d+$/, '0');
  if (!isIPv6(value)) return undefined;
  // The address as 32 digits: URL writes the shortest form, in which `::` stands at most once.
  const [head = '', tail] = new URL(`http://[${value}]`).hostname.slice(1, -1).split('::');
  const groups = head === '' ? [] : head.split(':');
  const rest = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: Math.max(0, 8 - groups.length - rest.length) }, () => '0');
  return `${[...groups, ...zeros, ...rest].slice(0, 3).join(':')}::`;
}

/** A copy with one member changed, or without it; in lists, that member of each item. */
function changeMember<Value>(
  value: Value,
  path: readonly string[],
  change: (member: unknown) => unknown,
): Value {
  const [key, ...rest] = path;
  if (Array.isArray(value))
    return value.map((item: unknown) => changeMember(item, path, change)) as unknown as Value;
  if (key === undefined || typeof value !== 'object' || value === null || !Object.hasOwn(value, key))
    return value;
  const { [key]: member, ...others } = value as Record<string, unknown>;
  const changed = rest.length === 0 ? changeLeaf(member, change) : changeMember(member, rest, change);
  return (changed === undefined ? others : { ...(value as object), [key]: changed }) as Value;
}

function changeLeaf(member: unknown, change: (member: unknown) => unknown): unknown {
  return Array.isArray(member)
    ? member.flatMap((item: unknown) => {
        const changed = change(item);
        return changed === undefined ? [] : [changed];
      })
    : change(member);
}
