import { formatThrift, parseThrift } from './thrift.ts';
import type { Thrift, ThriftStruct } from './thrift.ts';

/** Numbers of members in Parquet's description of a file (parquet.thrift). */
const file = { groups: 4 } as const;
const group = { columns: 1, rows: 3 } as const;
const chunk = { offset: 2, column: 3, offsetIndex: 4, columnIndex: 6 } as const;
const column = { path: 3, dataPage: 9, indexPage: 10, dictionaryPage: 11, bloomFilter: 14 } as const;

/** A Parquet file in memory, with what its end says of it. */
export interface ParquetFile {
  /** What comes before that. */
  readonly body: Buffer;
  readonly description: ThriftStruct;
}

const magic = Buffer.from('PAR1');

export function readParquetFile(bytes: Buffer): ParquetFile {
  const end = bytes.length - magic.length - 4;
  const start = end - bytes.readUInt32LE(end);
  return { body: bytes.subarray(0, start), description: parseThrift(bytes.subarray(start, end)) };
}

/**
 * A file with the columns of another in the place of its own of the same names: all else of it stays as it is, byte for byte, and
 * nothing is compressed anew. The two have the same rows in the same groups. What is replaced stays in it as bytes that nobody reads.
 * @throws TypeError where they have not
 */
export function spliceColumns(base: ParquetFile, other: ParquetFile): Buffer {
  const by = BigInt(base.body.length);
  const others = itemsOf(other.description, file.groups);
  const groups = itemsOf(base.description, file.groups).map((one, index) => {
    const same = others[index];
    if (same === undefined || integerOf(one, group.rows) !== integerOf(same, group.rows))
      throw new TypeError('not the same rows in the same groups');
    const moved = new Map(itemsOf(same, group.columns).map((each) => [nameOf(each), moveChunk(each, by)]));
    return changed(one, group.columns, (columns) => ({
      ...listOf(columns),
      items: listOf(columns).items.map((each) => moved.get(nameOf(structOf(each))) ?? each),
    }));
  });
  const description = formatThrift(
    changed(base.description, file.groups, (list) => ({ ...listOf(list), items: groups })),
  );
  const length = Buffer.alloc(4);
  length.writeUInt32LE(description.length);
  return Buffer.concat([base.body, other.body, description, length, magic]);
}

function moveChunk(given: ThriftStruct, by: bigint): ThriftStruct {
  const move = (value: Thrift): Thrift =>
    value.kind === 'integer' ? { ...value, value: value.value + by } : value;
  let moved = given;
  for (const member of [chunk.offset, chunk.offsetIndex, chunk.columnIndex])
    moved = changed(moved, member, move);
  return changed(moved, chunk.column, (value) => {
    let inner = structOf(value);
    for (const member of [column.dataPage, column.indexPage, column.dictionaryPage, column.bloomFilter])
      inner = changed(inner, member, move);
    return inner;
  });
}

/** With one member changed, where it is there. */
function changed(given: ThriftStruct, member: number, change: (value: Thrift) => Thrift): ThriftStruct {
  const value = given.fields.get(member);
  return value === undefined
    ? given
    : { kind: 'struct', fields: new Map(given.fields).set(member, change(value)) };
}

function nameOf(given: ThriftStruct): string {
  const path = structOf(given.fields.get(chunk.column)).fields.get(column.path);
  return listOf(path)
    .items.map((item) => (item.kind === 'bytes' ? item.value.toString('utf8') : ''))
    .join('.');
}

const itemsOf = (given: ThriftStruct, member: number): ThriftStruct[] =>
  listOf(given.fields.get(member)).items.map(structOf);

function integerOf(given: ThriftStruct, member: number): bigint | undefined {
  const value = given.fields.get(member);
  return value?.kind === 'integer' ? value.value : undefined;
}

function listOf(value: Thrift | undefined): Thrift & { kind: 'list' } {
  if (value?.kind !== 'list') throw new TypeError('no list of Thrift');
  return value;
}

function structOf(value: Thrift | undefined): ThriftStruct {
  if (value?.kind !== 'struct') throw new TypeError('no struct of Thrift');
  return value;
}
