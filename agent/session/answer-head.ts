/** The head of an HTTP/1.1 answer. */
export interface AnswerHead {
  readonly status: number;
  /** Names in lower case. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  /** Octets of the body, which has to say so; a 101 has none. */
  readonly contentLength: number;
  /** Where in the bytes the head ends. */
  readonly end: number;
}

const maxHeadBytes = 65_536;
const statusLine = /^HTTP\/1\.1 ([1-5][0-9]{2})(?: |$)/;
const fieldLine = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/;

/**
 * Reads the head of an answer of our own gateway's, which frames its bodies by length and nothing else. @returns undefined
 * while it is not whole. @throws for anything else than such an answer.
 */
export function readAnswerHead(bytes: Buffer): AnswerHead | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) {
    if (bytes.length > maxHeadBytes) throw new Error('the head of an answer is too long');
    return undefined;
  }
  const [first = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
  const status = Number(statusLine.exec(first)?.[1]);
  if (Number.isNaN(status)) throw new Error('no answer of HTTP/1.1');
  const fields = lines.map((line) => {
    const [, name, value] = fieldLine.exec(line) ?? [];
    if (name === undefined || value === undefined) throw new Error('no field line');
    return [name.toLowerCase(), value] as const;
  });
  if (status === 101) return { status, fields, contentLength: 0, end: end + 4 };
  const lengths = fields.filter(([name]) => name === 'content-length').map(([, value]) => value);
  const [length = ''] = lengths;
  if (
    lengths.length !== 1 ||
    !/^[0-9]{1,7}$/.test(length) ||
    fields.some(([name]) => name === 'transfer-encoding')
  )
    throw new Error('an answer without one length');
  return { status, fields, contentLength: Number(length), end: end + 4 };
}
