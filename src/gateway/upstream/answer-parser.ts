import { fieldName } from '../fields/raw-fields.ts';

/** The upstream does not speak HTTP/1.1, or speaks it in a way that two readers could read differently. */
export class AnswerMalformed extends Error {
  override readonly name = 'AnswerMalformed';
}

/** What is read, as it is read. */
export interface AnswerEvents {
  /** 1xx but for 101. */
  onInformation(status: number, fields: readonly string[]): void;
  /** @param contentLength of the field, also where no body follows (HEAD, 304). */
  onHead(status: number, statusText: string, fields: readonly string[], contentLength?: number): void;
  /** A piece of the buffer that was pushed, not a copy. */
  onData(chunk: Buffer): void;
  /** @param rest bytes came behind the answer: the connection is out of step, if nothing worse. */
  onEnd(trailers: readonly string[], rest: boolean): void;
  /** 101, where it was asked for. `head` is what came with it of the other protocol. */
  onUpgrade(fields: readonly string[], head: Buffer): void;
}

type State = 'head' | 'length' | 'close' | 'chunk-size' | 'chunk' | 'chunk-end' | 'trailers' | 'done';

const maxInformations = 16;
const maxFields = 512;
const maxChunkLineBytes = 256;
const headEnd = Buffer.from('\r\n\r\n');
const lineEnd = Buffer.from('\r\n');
const carriageReturn = 0x0d;
const lineFeed = 0x0a;

const statusLine = /^HTTP\/1\.([01]) ([1-5][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?$/;
const chunkLine = /^([0-9A-Fa-f]{1,12})(?:;[\t\x20-\x7e\x80-\xff]*)?$/;
const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/;

/**
 * Reads the answers of one upstream connection, one after another (RFC 9112). Lines end in CRLF alone, nothing is
 * folded, and a body is framed in one way: a length, chunks, or the end of the connection. What says two is refused,
 * since the next reader might believe the other.
 */
export class AnswerParser {
  readonly #events: AnswerEvents;
  readonly #maxHeadBytes: number;
  #state: State = 'done';
  /** The beginning of something that has to be seen whole. */
  #held: Buffer | undefined;
  /** Octets to come of the body or chunk. */
  #left = 0;
  #isHead = false;
  #mayUpgrade = false;
  #informations = 0;
  /** Of chunk extensions and trailers, which say nothing that anyone needs. */
  #asideBytes = 0;
  /** Whether another request may be sent when this answer has ended. */
  keepsAlive = false;
  /** What the upstream says of how long it waits for one; undefined: nothing. */
  keepAliveSeconds: number | undefined;

  /** @param maxHeadBytes of a header or trailer section. */
  constructor(events: AnswerEvents, maxHeadBytes: number) {
    this.#events = events;
    this.#maxHeadBytes = maxHeadBytes;
  }

  /** The next bytes answer a request of this method. */
  expect(method: string, mayUpgrade: boolean): void {
    this.#state = 'head';
    this.#held = undefined;
    this.#isHead = method === 'HEAD';
    this.#mayUpgrade = mayUpgrade;
    this.#informations = 0;
    this.#asideBytes = 0;
    this.keepsAlive = false;
    this.keepAliveSeconds = undefined;
  }

  /** @throws AnswerMalformed; nothing may be pushed after that. */
  push(chunk: Buffer): void {
    const held = this.#held;
    const data = held === undefined ? chunk : Buffer.concat([held, chunk]);
    // What was held has been looked through, but for an end that was itself cut.
    let from = held === undefined ? 0 : Math.max(0, held.length - headEnd.length + 1);
    this.#held = undefined;
    let at = 0;
    // A body that has just ended says so, though nothing came behind it.
    while (at < data.length && this.#state !== 'done') {
      const next = this.#read(data, at, from);
      if (next === -1) {
        this.#held = data.subarray(at);
        return;
      }
      at = next;
      from = at;
    }
  }

  /** The connection has ended. True when that was the end of the answer. */
  finish(): boolean {
    if (this.#state !== 'close') return false;
    this.#state = 'done';
    this.#events.onEnd([], false);
    return true;
  }

  /** @returns where to read on, or -1 when there is too little. */
  #read(data: Buffer, at: number, from: number): number {
    switch (this.#state) {
      case 'head':
        return this.#readHead(data, at, from);
      case 'length':
      case 'chunk': {
        const end = Math.min(data.length, at + this.#left);
        this.#left -= end - at;
        // Before the piece is handed out: with it the answer may be whole.
        if (this.#left === 0 && this.#state === 'chunk') this.#state = 'chunk-end';
        this.#events.onData(at === 0 && end === data.length ? data : data.subarray(at, end));
        if (this.#left === 0 && this.#state === 'length') this.#end([], end < data.length);
        return end;
      }
      case 'close':
        this.#events.onData(at === 0 ? data : data.subarray(at));
        return data.length;
      case 'chunk-size':
        return this.#readChunkSize(data, at);
      case 'chunk-end':
        if (data.length - at < lineEnd.length) return -1;
        if (data[at] !== carriageReturn || data[at + 1] !== lineFeed)
          throw new AnswerMalformed('chunk is too long');
        this.#state = 'chunk-size';
        return at + lineEnd.length;
      case 'trailers':
        return this.#readTrailers(data, at, from);
      case 'done':
        return data.length;
    }
  }

  #readHead(data: Buffer, at: number, from: number): number {
    const end = data.indexOf(headEnd, from);
    if ((end === -1 ? data.length : end) - at > this.#maxHeadBytes)
      throw new AnswerMalformed('header section is too long');
    if (end === -1) {
      // Garbage is told at once, and not when a time has run out.
      if (!isBeginning(data, at)) throw new AnswerMalformed('not HTTP');
      return -1;
    }
    const text = data.toString('latin1', at, end);
    const lineBreak = text.indexOf('\r\n');
    const match = statusLine.exec(lineBreak === -1 ? text : text.slice(0, lineBreak));
    if (match === null) throw new AnswerMalformed('status line');
    const fields = lineBreak === -1 ? [] : parseFields(text, lineBreak + 2);
    const behind = end + headEnd.length;
    const status = Number(match[2]);
    if (status < 200) return this.#inform(status, fields, data, behind);
    this.#begin(match[1] === '0', status, match[3] ?? '', fields);
    if (this.#state === 'done') this.#events.onEnd([], behind < data.length);
    return behind;
  }

  #inform(status: number, fields: readonly string[], data: Buffer, behind: number): number {
    if (status === 101) {
      if (!this.#mayUpgrade) throw new AnswerMalformed('101 was not asked for');
      this.#state = 'done';
      this.#events.onUpgrade(fields, data.subarray(behind));
      return data.length;
    }
    this.#informations += 1;
    if (this.#informations > maxInformations) throw new AnswerMalformed('too many interim answers');
    this.#events.onInformation(status, fields);
    return behind;
  }

  /** RFC 9112, section 6.3. */
  #begin(isVersion10: boolean, status: number, statusText: string, fields: readonly string[]): void {
    let contentLength: number | undefined;
    let isChunked = false;
    let connection = '';
    for (let index = 0; index < fields.length; index += 2) {
      const value = fields[index + 1] ?? '';
      switch (fields[index] ?? '') {
        case 'content-length':
          if (contentLength !== undefined || !/^[0-9]{1,15}$/.test(value))
            throw new AnswerMalformed('Content-Length');
          contentLength = Number(value);
          break;
        case 'transfer-encoding':
          if (isChunked || value.toLowerCase() !== 'chunked' || isVersion10)
            throw new AnswerMalformed('Transfer-Encoding');
          isChunked = true;
          break;
        case 'connection':
          connection += `,${value.toLowerCase()}`;
          break;
        case 'keep-alive':
          this.keepAliveSeconds = parseTimeout(value);
          break;
      }
    }
    if (isChunked && contentLength !== undefined)
      throw new AnswerMalformed('Content-Length and Transfer-Encoding');
    const isBodyless = this.#isHead || status === 204 || status === 304;
    this.keepsAlive = !isVersion10 && !/(?:^|,)\s*close\s*(?:,|$)/.test(connection);
    if (isBodyless || contentLength === 0) this.#state = 'done';
    else if (isChunked) this.#state = 'chunk-size';
    else if (contentLength !== undefined) {
      this.#state = 'length';
      this.#left = contentLength;
    } else {
      this.#state = 'close';
      this.keepsAlive = false;
    }
    this.#events.onHead(status, statusText, fields, contentLength);
  }

  #readChunkSize(data: Buffer, at: number): number {
    const end = data.indexOf(lineEnd, at);
    if ((end === -1 ? data.length : end) - at > maxChunkLineBytes) throw new AnswerMalformed('chunk size');
    if (end === -1) {
      if (!/^[0-9A-Fa-f]*(?:;|\r?$)/.test(data.toString('latin1', at)))
        throw new AnswerMalformed('chunk size');
      return -1;
    }
    const line = data.toString('latin1', at, end);
    const match = chunkLine.exec(line);
    if (match === null) throw new AnswerMalformed('chunk size');
    const digits = match[1] ?? '';
    this.#countAside(line.length - digits.length);
    this.#left = Number.parseInt(digits, 16);
    if (this.#left === 0) {
      this.#state = 'trailers';
      // The line end before the trailers stays: with it, no trailers look like some.
      return end;
    }
    this.#state = 'chunk';
    return end + lineEnd.length;
  }

  #readTrailers(data: Buffer, at: number, from: number): number {
    const end = data.indexOf(headEnd, Math.max(at, from));
    this.#countAside(0, (end === -1 ? data.length : end) - at);
    if (end === -1) return -1;
    const text = data.toString('latin1', at + lineEnd.length, end);
    const behind = end + headEnd.length;
    this.#end(text === '' ? [] : parseFields(text, 0), behind < data.length);
    return behind;
  }

  #countAside(bytes: number, more = 0): void {
    this.#asideBytes += bytes;
    if (this.#asideBytes + more > this.#maxHeadBytes)
      throw new AnswerMalformed('trailer section is too long');
  }

  #end(trailers: readonly string[], rest: boolean): void {
    this.#state = 'done';
    this.#events.onEnd(trailers, rest);
  }
}

function parseTimeout(value: string): number | undefined {
  const seconds = /(?:^|[,\s])timeout=([0-9]{1,6})\b/i.exec(value)?.[1];
  return seconds === undefined ? undefined : Number(seconds);
}

const beginning = 'HTTP/1.';
const isBeginning = (data: Buffer, at: number): boolean => {
  const seen = data.toString('latin1', at, at + beginning.length);
  return beginning.startsWith(seen);
};

/** Lines of `text` from there: names in lower case, and values, each character one octet. */
function parseFields(text: string, from: number): string[] {
  const fields: string[] = [];
  for (let at = from; at <= text.length; ) {
    const found = text.indexOf('\r\n', at);
    const end = found === -1 ? text.length : found;
    const colon = text.indexOf(':', at);
    const name = colon === -1 || colon > end ? undefined : fieldName(text.slice(at, colon));
    if (name === undefined) throw new AnswerMalformed('field name');
    const value = trimmed(text, colon + 1, end);
    if (!fieldValue.test(value)) throw new AnswerMalformed('field value');
    fields.push(name, value);
    if (fields.length > maxFields * 2) throw new AnswerMalformed('too many fields');
    at = end + 2;
  }
  return fields;
}

/** Without the blanks around it; `trim` knows more of them than HTTP does. */
function trimmed(text: string, from: number, to: number): string {
  let start = from;
  let end = to;
  while (start < end && isBlank(text.charCodeAt(start))) start += 1;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

const isBlank = (code: number): boolean => code === 0x20 || code === 0x09;
