import { createTwoFilesPatch } from 'diff';
import { stringify } from 'yaml';
import type { Resource } from '../../domain/resources.ts';
import { sameResource } from '../../policy/same-resource.ts';
import { printable } from '../terminal/output.ts';
import { paint } from '../terminal/paint.ts';

/** One resource that two sets do not have alike. */
export interface ResourceDifference {
  readonly action: 'create' | 'update' | 'delete';
  readonly kind: Resource['kind'];
  readonly name: string;
  readonly before?: Resource;
  readonly after?: Resource;
}

/** What would have to happen to `before` to make it `after`, by kind and name. */
export function compareResources(
  before: readonly Resource[],
  after: readonly Resource[],
): ResourceDifference[] {
  const keyed = (resources: readonly Resource[]): Map<string, Resource> =>
    new Map(resources.map((resource) => [`${resource.kind}/${resource.name}`, resource]));
  const [old, fresh] = [keyed(before), keyed(after)];
  return [...new Set([...old.keys(), ...fresh.keys()])].sort().flatMap((key): ResourceDifference[] => {
    const [was, is] = [old.get(key), fresh.get(key)];
    const one = was ?? is;
    if (one === undefined || (was !== undefined && is !== undefined && sameResource(was, is))) return [];
    const action = was === undefined ? 'create' : is === undefined ? 'delete' : 'update';
    return [
      {
        action,
        kind: one.kind,
        name: one.name,
        ...(was === undefined ? {} : { before: was }),
        ...(is === undefined ? {} : { after: is }),
      },
    ];
  });
}

/** Differences as a unified diff of YAML, which `patch` and reviewers can read; `from` and `to` name the two sides. */
export function diffLines(differences: readonly ResourceDifference[], from: string, to: string): string[] {
  return differences.flatMap(({ kind, name, before, after }) => {
    const path = `${kind.toLowerCase()}/${name}`;
    const patch = createTwoFilesPatch(
      before === undefined ? '/dev/null' : path,
      after === undefined ? '/dev/null' : path,
      asYaml(before),
      asYaml(after),
      before === undefined ? undefined : from,
      after === undefined ? undefined : to,
    );
    return patch
      .split('\n')
      .filter((line) => line !== '' && !/^(=|Index: )/.test(line))
      .map(colorLine);
  });
}

/** Keys in the order of the contract's examples: what differs only in the order of its keys differs in nothing. */
const keyOrder = [
  'kind',
  'name',
  'mode',
  'role',
  'network',
  'host',
  'protocol',
  'ports',
  'attach',
  'dns',
  'upstreams',
];

function asYaml(resource: Resource | undefined): string {
  if (resource === undefined) return '';
  const rank = (key: string): number => (keyOrder.includes(key) ? keyOrder.indexOf(key) : keyOrder.length);
  const sorted = Object.fromEntries(
    Object.entries(resource).sort(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : 1)),
  );
  return stringify(sorted, { lineWidth: 0 });
}

function colorLine(line: string): string {
  const text = printable(line);
  if (/^(---|\+\+\+)/.test(text)) return paint('bold', text);
  if (text.startsWith('@@')) return paint('cyan', text);
  if (text.startsWith('+')) return paint('green', text);
  if (text.startsWith('-')) return paint('red', text);
  return text;
}
