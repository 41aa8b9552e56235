/** A value of Thrift's compact protocol, in which Parquet writes what a file has where. */
export type Thrift =
  | { readonly kind: 'bool'; readonly value: boolean }
  /** 8 to 64 bits. */
  | { readonly kind: 'integer'; readonly type: number; readonly value: bigint }
  | { readonly kind: 'bytes'; readonly type: number; readonly value: Buffer }
  | { readonly kind: 'list'; readonly type: number; readonly of: number; readonly items: readonly Thrift[] }
  | ThriftStruct;

export interface ThriftStruct {
  readonly kind: 'struct';
  readonly fields: ReadonlyMap<number, Thrift>;
}

const types = { yes: 1, no: 2, byte: 3, int64: 6, double: 7, text: 8, list: 9, set: 10, struct: 12 } as const;

/** @throws RangeError for what is no such struct */
export function parseThrift(bytes: Buffer): ThriftStruct {
  let at = 0;
  const byte = (): number => bytes.readUInt8(at++);
  function varint(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const next = byte();
      value |= BigInt(next & 0x7f) << shift;
      if (next < 0x80) return value;
    }
  }
  const zigzag = (): bigint => {
    const value = varint();
    return (value >> 1n) ^ -(value & 1n);
  };
  const take = (length: number): Buffer => bytes.subarray(at, (at += length));
  function struct(): ThriftStruct {
    const fields = new Map<number, Thrift>();
    for (let id = 0; ; ) {
      const head = byte();
      if (head === 0) return { kind: 'struct', fields };
      const type = head & 0x0f;
      id = head >> 4 === 0 ? Number(zigzag()) : id + (head >> 4);
      fields.set(
        id,
        type === types.yes || type === types.no ? { kind: 'bool', value: type === types.yes } : value(type),
      );
    }
  }
  function value(type: number): Thrift {
    if (type === types.struct) return struct();
    if (type === types.yes) return { kind: 'bool', value: byte() === types.yes };
    if (type === types.byte) return { kind: 'integer', type, value: BigInt(byte()) };
    if (type > types.byte && type <= types.int64) return { kind: 'integer', type, value: zigzag() };
    if (type === types.double) return { kind: 'bytes', type, value: take(8) };
    if (type === types.text) return { kind: 'bytes', type, value: take(Number(varint())) };
    if (type !== types.list && type !== types.set) throw new RangeError(`no type of Thrift: ${type}`);
    const head = byte();
    const count = head >> 4 === 0x0f ? Number(varint()) : head >> 4;
    const of = head & 0x0f;
    return { kind: 'list', type, of, items: Array.from({ length: count }, () => value(of)) };
  }
  return struct();
}

export function formatThrift(root: ThriftStruct): Buffer {
  const pieces: Buffer[] = [];
  const byte = (value: number): void => void pieces.push(Buffer.of(value));
  function varint(value: bigint): void {
    let rest = value;
    for (; rest >= 0x80n; rest >>= 7n) byte(Number(rest & 0x7fn) | 0x80);
    byte(Number(rest));
  }
  const zigzag = (value: bigint): void => varint(value < 0n ? -value * 2n - 1n : value * 2n);
  function typeOf(given: Thrift): number {
    if (given.kind === 'struct') return types.struct;
    return given.kind === 'bool' ? (given.value ? types.yes : types.no) : given.type;
  }
  function struct({ fields }: ThriftStruct): void {
    let before = 0;
    for (const [id, field] of fields) {
      const step = id - before;
      byte((step > 0 && step < 16 ? step << 4 : 0) | typeOf(field));
      if (step <= 0 || step >= 16) zigzag(BigInt(id));
      before = id;
      // Of a truth value in a struct its type is all.
      if (field.kind !== 'bool') value(field);
    }
    byte(0);
  }
  function value(given: Thrift): void {
    if (given.kind === 'struct') struct(given);
    else if (given.kind === 'bool') byte(typeOf(given));
    else if (given.kind === 'integer')
      if (given.type === types.byte) byte(Number(given.value));
      else zigzag(given.value);
    else if (given.kind === 'bytes') {
      if (given.type === types.text) varint(BigInt(given.value.length));
      pieces.push(given.value);
    } else {
      byte((Math.min(given.items.length, 15) << 4) | given.of);
      if (given.items.length >= 15) varint(BigInt(given.items.length));
      for (const item of given.items) value(item);
    }
  }
  struct(root);
  return Buffer.concat(pieces);
}
