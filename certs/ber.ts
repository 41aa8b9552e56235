import { DerError, derTag, encodeDer } from './der.ts';

const maxDepth = 24;
const maxElements = 4096;
const constructed = 0x20;

/**
 * The DER of one BER document (X.690): the messages of some systems come with lengths that are indefinite or not minimal,
 * and with strings in pieces. What signs and what reads them afterwards both have the bytes that this returns, so nothing
 * is read in two ways. Contents of strings, among them whole documents, stay as they are. Throws DerError.
 */
export function toDer(ber: Uint8Array): Buffer {
  const reader = { bytes: ber, elements: 0 };
  const { der, end } = convert(reader, 0, ber.length, 0);
  if (end !== ber.length) throw new DerError('bytes after the end');
  return der;
}

interface Reader {
  readonly bytes: Uint8Array;
  elements: number;
}
interface Converted {
  readonly der: Buffer;
  /** After the element in the BER. */
  readonly end: number;
}

function convert(reader: Reader, at: number, limit: number, depth: number): Converted {
  const { bytes } = reader;
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined || at + 2 > limit) throw new DerError('element is cut short');
  if (tag === 0 || (tag & 0x1f) === 0x1f) throw new DerError('a tag that does not belong');
  if (depth > maxDepth || ++reader.elements > maxElements) throw new DerError('too many elements');
  const isConstructed = (tag & constructed) !== 0;
  if (first === 0x80) {
    if (!isConstructed) throw new DerError('a value without an end');
    return convertChildren(reader, { tag, at: at + 2, limit, depth, isOpen: true });
  }
  let content = at + 2;
  let length = first;
  if (first > 0x80) {
    const octets = first & 0x7f;
    if (octets > 4) throw new DerError('length is too large');
    length = 0;
    for (let i = 0; i < octets; i++) length = length * 256 + (bytes[content++] ?? 0);
  }
  const end = content + length;
  if (end > limit) throw new DerError('element is longer than what holds it');
  if (isConstructed) return convertChildren(reader, { tag, at: content, limit: end, depth, isOpen: false });
  return { der: encodeDer(tag, bytes.subarray(content, end)), end };
}

function convertChildren(
  reader: Reader,
  parent: {
    readonly tag: number;
    readonly at: number;
    readonly limit: number;
    readonly depth: number;
    /** Two zero octets end it. */
    readonly isOpen: boolean;
  },
): Converted {
  const { bytes } = reader;
  const { tag, limit, isOpen } = parent;
  const children: Buffer[] = [];
  let { at } = parent;
  while (isOpen ? !(at + 2 <= limit && bytes[at] === 0 && bytes[at + 1] === 0) : at < limit) {
    const child = convert(reader, at, limit, parent.depth + 1);
    children.push(child.der);
    at = child.end;
  }
  const end = isOpen ? at + 2 : at;
  if (tag !== (derTag.octetString | constructed)) return { der: encodeDer(tag, ...children), end };
  return { der: encodeDer(derTag.octetString, joinPieces(children)), end };
}

/** The contents of an OCTET STRING that came in pieces, each an OCTET STRING. */
export function joinPieces(pieces: readonly Buffer[]): Buffer {
  return Buffer.concat(
    pieces.map((piece) => {
      if (piece[0] !== derTag.octetString) throw new DerError('a string in pieces that are none');
      const first = piece[1] ?? 0;
      return piece.subarray(first < 0x80 ? 2 : 2 + (first & 0x7f));
    }),
  );
}
