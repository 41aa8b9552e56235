/**
 * A reader for the part of DER (X.690) that certificates and requests use, strict on purpose: whatever could be read
 * in two ways is refused. It never decides trust; it only reads again, byte for byte, what OpenSSL has accepted.
 */
export class DerError extends Error {
  override readonly name = 'DerError';
}

/** One element: where its tag, its contents and the byte after it are. */
export interface DerElement {
  readonly tag: number;
  readonly start: number;
  readonly content: number;
  readonly end: number;
}

export const derTag = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
} as const;

/** Reads the element at `at`, which must end at or before `limit`. Lengths must be definite and minimal. */
export function readElement(bytes: Uint8Array, at: number, limit: number): DerElement {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined || at + 2 > limit) throw new DerError('element is cut short');
  if ((tag & 0x1f) === 0x1f) throw new DerError('tag number of more than one octet');
  let content = at + 2;
  let length = first;
  if (first >= 0x80) {
    const octets = first & 0x7f;
    if (octets === 0 || octets > 3) throw new DerError('length is indefinite or too large');
    length = 0;
    for (let i = 0; i < octets; i++) length = length * 256 + (bytes[content++] ?? 0);
    if (length < 0x80 || length < 256 ** (octets - 1)) throw new DerError('length is not minimal');
  }
  const end = content + length;
  if (end > limit || end > bytes.length) throw new DerError('element is longer than what holds it');
  return { tag, start: at, content, end };
}

export function expectElement(bytes: Uint8Array, at: number, limit: number, tag: number): DerElement {
  const element = readElement(bytes, at, limit);
  if (element.tag !== tag) throw new DerError(`tag ${element.tag} where ${tag} belongs`);
  return element;
}

/** The elements inside a constructed one, which they must fill exactly. */
export function readChildren(bytes: Uint8Array, parent: DerElement, max = 32): DerElement[] {
  const children: DerElement[] = [];
  for (let at = parent.content; at < parent.end; ) {
    if (children.length === max) throw new DerError('too many elements');
    const child = readElement(bytes, at, parent.end);
    children.push(child);
    at = child.end;
  }
  return children;
}

/** A whole document that is one SEQUENCE, with nothing after it. */
export function readDocument(bytes: Uint8Array): DerElement {
  const document = expectElement(bytes, 0, bytes.length, derTag.sequence);
  if (document.end !== bytes.length) throw new DerError('bytes after the end');
  return document;
}

const twoDigits = (bytes: Uint8Array, at: number): number => {
  const tens = (bytes[at] ?? 0) - 0x30;
  const ones = (bytes[at + 1] ?? 0) - 0x30;
  if (tens < 0 || tens > 9 || ones < 0 || ones > 9) throw new DerError('time is not made of digits');
  return tens * 10 + ones;
};

/** Epoch seconds of a UTCTime or GeneralizedTime in the one form that RFC 5280, section 4.1.2.5, allows. */
export function readTime(bytes: Uint8Array, element: DerElement): number {
  const long = element.tag === derTag.generalizedTime;
  if (!long && element.tag !== derTag.utcTime) throw new DerError('not a time');
  if (element.end - element.content !== (long ? 15 : 13) || bytes[element.end - 1] !== 0x5a) {
    throw new DerError('time is not in UTC with seconds');
  }
  let at = element.content;
  const next = (): number => {
    const value = twoDigits(bytes, at);
    at += 2;
    return value;
  };
  const century = long ? next() * 100 : undefined;
  const short = next();
  const year = century === undefined ? short + (short >= 50 ? 1900 : 2000) : century + short;
  if (long && year < 2050) throw new DerError('GeneralizedTime where UTCTime belongs');
  const [month, day, hour, minute, second] = [next(), next(), next(), next(), next()];
  const time = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  // Date.UTC rolls the 30th of February over; a second reader might not.
  const same =
    time.getUTCMonth() === month - 1 &&
    time.getUTCDate() === day &&
    time.getUTCHours() === hour &&
    time.getUTCMinutes() === minute &&
    time.getUTCSeconds() === second;
  if (!same) throw new DerError('no such time');
  return time.getTime() / 1000;
}

/** Encodes one element; for the few structures that no library here writes. */
export function encodeDer(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  const octets = Buffer.from(length.toString(16).padStart(length > 0xff ? 4 : 2, '0'), 'hex');
  if (octets.length > 2) throw new DerError('element is too large to encode');
  return Buffer.concat([Buffer.from([tag, 0x80 | octets.length]), octets, content]);
}
