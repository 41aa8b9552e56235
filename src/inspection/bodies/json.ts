import { emptyContent, maxArguments, maxDepth, maxNameOctets } from './body-content.ts';
import type { BodyContent } from './body-content.ts';

/**
 * Each string, number and word of a JSON text under its path (`json.a.0.b`). Read here and not by `JSON.parse`, which takes
 * the last of two members of one name where the application may take the first, and reads nothing of a text that was cut.
 * What RFC 8259 does not allow is an anomaly: lenient readers make something of it.
 */
export function readJson(text: string, isCut: boolean): BodyContent {
  const content = emptyContent('JSON');
  try {
    new JsonReader(text, content).read();
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    if (error.reason !== 'ended' || !isCut)
      content.anomalies.add(error.reason === 'too-much' ? '90004' : '90001');
  }
  return content;
}

class Stop extends Error {
  readonly reason: 'ended' | 'malformed' | 'too-much';
  constructor(reason: Stop['reason']) {
    super(reason);
    this.reason = reason;
  }
}

const word = /true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const plain = /[ !#-[\]-\xff]*/y;
const blanks = /[ \t\r\n]*/y;
const escapes: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

class JsonReader {
  readonly #text: string;
  readonly #content: BodyContent;
  #at: number;
  #nameOctets = 0;

  constructor(text: string, content: BodyContent) {
    this.#text = text;
    this.#content = content;
    this.#at = text.startsWith('\xef\xbb\xbf') ? 3 : 0;
  }

  read(): void {
    this.#value('json', 0);
    this.#skipBlanks();
    if (this.#at < this.#text.length) throw new Stop('malformed');
  }

  #value(path: string, depth: number): void {
    if (depth > maxDepth) throw new Stop('too-much');
    this.#skipBlanks();
    const first = this.#peek();
    if (first === '{') this.#members(path, depth, '}');
    else if (first === '[') this.#members(path, depth, ']');
    else if (first === '"') this.#add(path, this.#string());
    else {
      word.lastIndex = this.#at;
      const match = word.exec(this.#text)?.[0];
      if (match === undefined) throw new Stop(this.#text.length - this.#at < 5 ? 'ended' : 'malformed');
      this.#at += match.length;
      this.#add(path, match);
    }
  }

  #members(path: string, depth: number, end: '}' | ']'): void {
    this.#at += 1;
    this.#skipBlanks();
    if (this.#peek() === end) {
      this.#at += 1;
      // Names are looked at with their values, and this one has none.
      return this.#add(path, '');
    }
    for (let index = 0; ; index += 1) {
      let name = String(index);
      if (end === '}') {
        this.#skipBlanks();
        this.#expect('"');
        name = this.#string();
        this.#skipBlanks();
        this.#expect(':');
        this.#at += 1;
      }
      this.#value(`${path}.${name}`, depth + 1);
      this.#skipBlanks();
      if (this.#peek() === end) {
        this.#at += 1;
        return;
      }
      this.#expect(',');
      this.#at += 1;
    }
  }

  #string(): string {
    this.#at += 1;
    let value = '';
    const start = this.#at;
    for (;;) {
      plain.lastIndex = this.#at;
      const run = plain.exec(this.#text)?.[0] ?? '';
      value += run;
      this.#at += run.length;
      const character = this.#text[this.#at];
      if (character === undefined) {
        // What there is of a string that was cut is looked at.
        if (this.#at > start) this.#add('json', value);
        throw new Stop('ended');
      }
      this.#at += 1;
      if (character === '"') return value;
      if (character !== '\\') throw new Stop('malformed');
      value += this.#escape();
    }
  }

  #escape(): string {
    const character = this.#text[this.#at] ?? '';
    if (character === '') throw new Stop('ended');
    this.#at += 1;
    if (character === '"' || character === '\\' || character === '/') return character;
    if (character !== 'u') {
      const meant = escapes[character];
      if (meant === undefined) throw new Stop('malformed');
      return meant;
    }
    let code = this.#hexadecimal();
    // Two halves of a surrogate pair are one character.
    if (code >= 0xd800 && code < 0xdc00 && this.#text.startsWith('\\u', this.#at)) {
      this.#at += 2;
      code = 0x10000 + ((code - 0xd800) << 10) + ((this.#hexadecimal() - 0xdc00) & 0x3ff);
    }
    return code < 0x80
      ? String.fromCharCode(code)
      : Buffer.from(String.fromCodePoint(code)).toString('latin1');
  }

  #hexadecimal(): number {
    const digits = this.#text.slice(this.#at, this.#at + 4);
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw new Stop(digits.length < 4 ? 'ended' : 'malformed');
    this.#at += 4;
    return Number.parseInt(digits, 16);
  }

  #add(path: string, value: string): void {
    this.#nameOctets += path.length;
    if (this.#content.args.length >= maxArguments || this.#nameOctets > maxNameOctets)
      throw new Stop('too-much');
    this.#content.args.push([path, value]);
  }

  #skipBlanks(): void {
    blanks.lastIndex = this.#at;
    this.#at += blanks.exec(this.#text)?.[0].length ?? 0;
  }

  #peek(): string {
    const character = this.#text[this.#at];
    if (character === undefined) throw new Stop('ended');
    return character;
  }

  #expect(wanted: string): void {
    if (this.#peek() !== wanted) throw new Stop('malformed');
  }
}
