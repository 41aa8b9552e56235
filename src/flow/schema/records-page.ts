import { pathToFileURL } from 'node:url';
import { flowRecordSchemas } from './classes.ts';
import { AccessRecord, ChangeRecord } from './control.ts';

/**
 * The page docs/flow-records.md, rendered from the schemas of records. A test keeps the two equal. To write it anew:
 *
 *     node src/flow/schema/records-page.ts > docs/flow-records.md
 */

/** What the page needs of a schema: JSON Schema as TypeBox builds it. */
interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema | readonly Schema[];
  readonly patternProperties?: Readonly<Record<string, Schema>>;
}

export interface Member {
  readonly path: string;
  readonly type: string;
  readonly isAlways: boolean;
  readonly description: string;
  readonly schema: unknown;
}

/** All members of a record, those of objects in objects behind their own, with where each stands. */
export function membersOf(schema: unknown, prefix = '', isAlways = true): Member[] {
  const { properties = {}, required = [] } = schema as Schema;
  return Object.entries(properties).flatMap(([name, member]) => {
    const path = prefix === '' ? name : `${prefix}.${name}`;
    const always = isAlways && required.includes(name);
    const inner = innerOf(member);
    return [
      {
        path,
        type: typeOf(member),
        isAlways: always,
        description: member.description ?? '',
        schema: member,
      },
      ...(inner === undefined
        ? []
        : membersOf(inner.schema, `${path}${inner.suffix}`, always && !inner.isOptional)),
    ];
  });
}

/** The object in a member that is one, may be one, or is a list of them. */
function innerOf(
  schema: Schema,
): { readonly schema: Schema; readonly suffix: string; readonly isOptional: boolean } | undefined {
  if (schema.properties !== undefined) return { schema, suffix: '', isOptional: false };
  const object = schema.anyOf?.find(({ properties }) => properties !== undefined);
  if (object !== undefined) return { schema: object, suffix: '', isOptional: true };
  const { items } = schema;
  if (items !== undefined && 'properties' in items) return { schema: items, suffix: '[]', isOptional: true };
  return undefined;
}

const quoted = (value: unknown): string => `\`${String(value)}\``;

function typeOf(schema: Schema): string {
  if (schema.const !== undefined) return quoted(schema.const);
  if (schema.enum !== undefined) return schema.enum.map(quoted).join(' ');
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeOf).join(' or ');
  if (schema.type === 'array') {
    const [item] = [schema.items ?? []].flat();
    return `list of ${item === undefined ? 'texts' : item.properties === undefined ? typeOf(item) : 'objects'}`;
  }
  return schema.type ?? 'any';
}

const flows = [4002, 4001, 4014, 3002] as const;

/** Members that all classes of flows share, by being one and the same. */
function sharedMembers(): Member[] {
  const [first, ...others] = flows.map((uid) => membersOf(flowRecordSchemas[uid]));
  const isIn = (members: readonly Member[], { path, schema }: Member): boolean =>
    members.some((other) => other.path === path && (other.schema === schema || path.startsWith('unmapped')));
  return (first ?? []).filter(
    (member) => !member.path.startsWith('class_') && others.every((members) => isIn(members, member)),
  );
}

const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
const escapeCell = (cell: string): string => cell.replaceAll('|', '\\|');

function table(members: readonly Member[]): string[] {
  const rows = members.map(({ path, type, isAlways, description }) =>
    [`\`${path}\``, type, isAlways ? 'always' : '', description].map(escapeCell),
  );
  return [row(['Member', 'Type', '', 'Meaning']), row(['---', '---', '---', '---']), ...rows.map(row)];
}

const titles: readonly (readonly [title: string, schema: unknown, text: string])[] = [
  ['4002 HTTP Activity', flowRecordSchemas[4002], 'One HTTP request, answered, refused or broken off.'],
  [
    '4001 Network Activity',
    flowRecordSchemas[4001],
    'A tunnel (CONNECT) or an upgraded connection: Open, Traffic each minute in which it carried something or after 64 MiB, Close; or Refuse or Fail where it never came to be. All of one have the same flow id.',
  ],
  [
    '4014 Tunnel Activity',
    flowRecordSchemas[4014],
    'The session of an agent: Open with its first token, Renew with each other one, Close. Its flow id is that of the connection.',
  ],
  [
    '3002 Authentication',
    flowRecordSchemas[3002],
    'A handshake or a session token that was accepted or refused.',
  ],
  ['2004 Detection Finding', flowRecordSchemas[2004], 'Something that the security team should look at.'],
  [
    '3004 Entity Management: heartbeat',
    flowRecordSchemas[3004],
    'That a worker lives, every 30 seconds (activity 99, Heartbeat).',
  ],
  [
    '3004 Entity Management: changes',
    ChangeRecord,
    'The life of devices, policies and all else that the ledger holds. Written by the control plane, under `access/`.',
  ],
  ['6003 API Activity', AccessRecord, 'Who read what over the API of the control plane. Under `access/`.'],
];

export function renderRecordsPage(): string {
  const shared = sharedMembers();
  const isShared = new Set(shared.map(({ path }) => path));
  const isOfFlow = (schema: unknown): boolean => flows.some((uid) => flowRecordSchemas[uid] === schema);
  return [
    '# Flow records, member by member',
    '',
    '<!-- Written by: node src/flow/schema/records-page.ts > docs/flow-records.md. Do not edit. -->',
    '',
    'As they are delivered, printed and exported: one JSON object a line, OCSF 1.8.0, pure ASCII. Under `flows/` in the data directory each worker writes a chain of its own; under `access/` the control plane',
    'does. How they are written there, and what proves that none is missing: [record-proof.md](record-proof.md). No body, cookie, token or query string is ever in one.',
    '',
    'A member that is `always` there is there whether the flow was allowed or denied; in `unmapped.postern` what is not known is null. Traffic is counted as the',
    'laptop sees it (OCSF): `bytes_out` is what it sent.',
    '',
    '## Of all flows',
    '',
    'Classes 4002, 4001, 4014 and 3002.',
    '',
    ...table(shared),
    ...titles.flatMap(([title, schema, text]) => [
      '',
      `## ${title}`,
      '',
      text,
      '',
      ...table(membersOf(schema).filter(({ path }) => !isOfFlow(schema) || !isShared.has(path))),
    ]),
    '',
  ].join('\n');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.stdout.write(renderRecordsPage());
