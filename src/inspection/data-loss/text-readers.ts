/** Makes text of the bytes of one body, as they come. */
export interface TextReader {
  read(bytes: Uint8Array): string;
  /** What was waited for and did not come. */
  end(): string;
}

/** In a charset by its name; without one by a byte order mark, or as UTF-8. @returns undefined for a charset that nobody knows. */
export function createDecoder(charset: string | undefined): TextReader | undefined {
  if (charset === undefined) return createSniffingDecoder();
  try {
    return reader(new TextDecoder(charset));
  } catch {
    return undefined;
  }
}

const reader = (decoder: TextDecoder): TextReader => ({
  read: (bytes) => decoder.decode(bytes, { stream: true }),
  end: () => decoder.decode(),
});

/** By the first two octets: the mark of UTF-16 or, where a program leaves that away, the zero that no text in UTF-8 has. */
function encodingOf(one: number, two: number): string {
  if ((one === 0xff && two === 0xfe) || (one !== 0 && two === 0)) return 'utf-16le';
  return (one === 0xfe && two === 0xff) || (one === 0 && two !== 0) ? 'utf-16be' : 'utf-8';
}

/** Spreadsheets write UTF-16 and say so in the first two octets alone. */
function createSniffingDecoder(): TextReader {
  let decoder: TextDecoder | undefined;
  let first: number | undefined;
  return {
    read(bytes) {
      let prefix = '';
      if (decoder === undefined) {
        const [one, two] = first === undefined ? bytes : [first, ...bytes.subarray(0, 1)];
        if (one === undefined) return '';
        if (two === undefined) {
          first = one;
          return '';
        }
        decoder = new TextDecoder(encodingOf(one, two));
        if (first !== undefined) prefix = decoder.decode(Uint8Array.of(first), { stream: true });
      }
      return prefix + decoder.decode(bytes, { stream: true });
    },
    end: () => decoder?.decode() ?? (first === undefined ? '' : String.fromCharCode(first)),
  };
}

const percent = 0x25;
const plus = 0x2b;
const space = 0x20;

/** A form (application/x-www-form-urlencoded): its octets are written as %XX, blanks as +. */
export function createFormReader(decoder: TextReader): TextReader {
  let begun = new Uint8Array();
  return {
    read(bytes) {
      const all = begun.length === 0 ? bytes : Buffer.concat([begun, bytes]);
      const decoded = new Uint8Array(all.length);
      let length = 0;
      let at = 0;
      for (; at < all.length; at += 1) {
        let octet = all[at] ?? 0;
        if (octet === plus) octet = space;
        else if (octet === percent) {
          // More is to come.
          if (at + 2 >= all.length) break;
          const value = hexValue(all[at + 1]) * 16 + hexValue(all[at + 2]);
          if (!Number.isNaN(value)) {
            octet = value;
            at += 2;
          }
        }
        decoded[length] = octet;
        length += 1;
      }
      begun = Uint8Array.from(all.subarray(at));
      return decoder.read(decoded.subarray(0, length));
    },
    end: () => decoder.read(begun) + decoder.end(),
  };
}

function hexValue(octet = 0): number {
  if (octet >= 0x30 && octet <= 0x39) return octet - 0x30;
  const letter = octet & 0xdf;
  return letter >= 0x41 && letter <= 0x46 ? letter - 0x37 : Number.NaN;
}

/** JSON: what is escaped in its texts stands for another character (RFC 8259, section 7). */
export function createJsonReader(decoder: TextReader): TextReader {
  let begun = '';
  const unescape = (text: string): string => {
    if (!text.includes('\\')) return text;
    return text.replaceAll(/\\(?:u([0-9A-Fa-f]{4})|([^]))/g, (_, code: string | undefined, one = '') =>
      code === undefined
        ? (blanks[one as string] ?? (one as string))
        : String.fromCharCode(Number.parseInt(code, 16)),
    );
  };
  return {
    read(bytes) {
      const all = begun + decoder.read(bytes);
      // An escape that may be cut off: one whose own backslash is none that is escaped.
      const [open = ''] = /(?<!\\)(?:\\\\)*(\\(?:u[0-9A-Fa-f]{0,3})?)$/.exec(all.slice(-64))?.slice(1) ?? [];
      begun = open;
      return unescape(all.slice(0, all.length - open.length));
    },
    end: () => unescape(begun + decoder.end()),
  };
}

const blanks: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' };

/** HTML and XML: characters by number, and those names of them that stand in ordinary pages, blanks that do not break above all. */
export function createMarkupReader(decoder: TextReader): TextReader {
  let begun = '';
  const resolve = (text: string): string =>
    text.replaceAll(reference, (written, decimal?: string, hexadecimal?: string, named?: string) => {
      if (named !== undefined) return characters[named] ?? written;
      const code = Number.parseInt(decimal ?? hexadecimal ?? '', decimal === undefined ? 16 : 10);
      return code <= 0x10ffff ? String.fromCodePoint(code) : written;
    });
  return {
    read(bytes) {
      const all = begun + decoder.read(bytes);
      begun = /&[#0-9A-Za-z]{0,10}$/.exec(all)?.[0] ?? '';
      return resolve(all.slice(0, all.length - begun.length));
    },
    end: () => resolve(begun + decoder.end()),
  };
}

const reference = /&(?:#([0-9]{1,7})|#[xX]([0-9A-Fa-f]{1,6})|(nbsp|amp|lt|gt|quot|apos|commat));/g;
const characters: Readonly<Record<string, string>> = {
  nbsp: '\u00a0',
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  commat: '@',
};
